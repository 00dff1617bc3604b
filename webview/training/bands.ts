import type { RunState } from '../../src/core/run/run.js';
import { type AxisScale, axisScale } from '../shared/chart/axis.js';
import type { Hue } from '../shared/chart/content.js';
import { percent, short } from '../shared/format.js';
import type { LayerHistory, Series } from './series.js';

/** One quantity in a band, as it is drawn. */
export interface Track {
  readonly key: string;
  readonly name: string;
  readonly hue: Hue;
  readonly look: 'line' | 'area' | 'points' | 'hairline';
  readonly values: readonly (readonly [step: number, value: number])[];
}

/** One small multiple: a quantity with its own y axis, over the steps that all bands share. */
export interface Band {
  readonly key: string;
  /** With unit, and the scale where it is logarithmic. */
  readonly title: string;
  readonly height: number;
  readonly tracks: readonly Track[];
  readonly domain: readonly [number, number];
  readonly logarithmic: boolean;
  readonly format: (value: number) => string;
}

function above(tracks: readonly Track[], fallback: number): readonly [number, number] {
  const highest = Math.max(0, ...tracks.flatMap(({ values }) => values.map(([, value]) => value)));
  return [0, highest > 0 && Number.isFinite(highest) ? highest * 1.06 : fallback];
}

/**
 * Learning rates that fall in steps by large factors are read on a logarithmic axis. A smooth schedule that ends near 0
 * is not: its last few values would take up most of the axis.
 */
function fallsInSteps(values: readonly number[]): boolean {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const still = values.slice(1).filter((value, i) => value === values[i]).length;
  return low > 0 && high / low >= 30 && still > values.length / 2;
}

/** Accuracy fills its band: from the tenth below the lowest value to 1. */
function accuracyDomain(tracks: readonly Track[]): readonly [number, number] {
  const lowest = Math.min(1, ...tracks.flatMap(({ values }) => values.map(([, value]) => value)));
  return [Math.max(0, Math.floor(lowest * 10) / 10), 1];
}

/** Loss, accuracy, the chosen layer, learning rate and speed, from top to bottom. */
export function toBands(series: Series, layer: LayerHistory | undefined): readonly Band[] {
  const { steps, epochs } = series;
  const loss: readonly Track[] = [
    {
      key: 'train-loss',
      name: 'training',
      hue: 'plain',
      look: 'line',
      values: steps.map((s) => [s.step, s.loss]),
    },
    {
      key: 'test-loss',
      name: 'test',
      hue: 'plain',
      look: 'points',
      values: epochs.map((e) => [e.step, e.testLoss]),
    },
  ];
  const accuracy: readonly Track[] = [
    {
      key: 'train-accuracy',
      name: 'training',
      hue: 'plain',
      look: 'line',
      values: steps.map((s) => [s.step, s.accuracy]),
    },
    {
      key: 'test-accuracy',
      name: 'test',
      hue: 'plain',
      look: 'points',
      values: epochs.map((e) => [e.step, e.testAccuracy]),
    },
  ];
  const rate: readonly Track[] = [
    {
      key: 'learning-rate',
      name: 'learning rate',
      hue: 'plain',
      look: 'line',
      values: steps.map((s) => [s.step, s.learningRate]),
    },
  ];
  const speed: readonly Track[] = [
    {
      key: 'speed',
      name: 'images/s',
      hue: 'plain',
      look: 'line',
      values: steps.map((s) => [s.step, s.imagesPerSecond]),
    },
  ];
  const rates = steps.map((s) => s.learningRate);
  const steep = fallsInSteps(rates);
  const plain = { logarithmic: false, format: short } as const;
  return [
    { ...plain, key: 'loss', title: 'loss', height: 116, tracks: loss, domain: above(loss, 1) },
    {
      ...plain,
      key: 'accuracy',
      title: 'accuracy',
      height: 116,
      tracks: accuracy,
      domain: accuracyDomain(accuracy),
      format: (value) => `${short(value * 100)} %`,
    },
    ...(layer ? [layerBand(layer)] : []),
    {
      key: 'learning-rate',
      title: steep ? 'learning rate (log scale)' : 'learning rate',
      height: 44,
      tracks: rate,
      domain: steep ? [Math.min(...rates), Math.max(...rates)] : above(rate, 0.001),
      logarithmic: steep,
      format: short,
    },
    {
      ...plain,
      key: 'speed',
      title: 'images a second',
      height: 44,
      tracks: speed,
      domain: above(speed, 100),
    },
  ];
}

function layerBand(layer: LayerHistory): Band {
  const tracks: readonly Track[] = [
    {
      key: 'patch-norm',
      name: 'E‖x‖',
      hue: 'norm',
      look: 'area',
      values: layer.points.map((p) => [p.step, p.meanPatchNorm]),
    },
    {
      key: 'radius',
      name: 'R',
      hue: 'plain',
      look: 'hairline',
      values: layer.points.flatMap((p) => (p.radius === undefined ? [] : [[p.step, p.radius] as const])),
    },
  ];
  return {
    key: 'layer',
    title: layer.name,
    height: 84,
    tracks: tracks.filter(({ values }) => values.length > 0),
    domain: above(tracks, 1),
    logarithmic: false,
    format: short,
  };
}

/** The steps that all bands share: the whole training that is planned, so that the curves grow to the right. */
export function stepScale(state: RunState, series: Series, range: readonly [number, number]): AxisScale {
  const last = Math.max(series.steps.at(-1)?.step ?? 0, series.epochs.at(-1)?.step ?? 0, state.step);
  return axisScale([0, Math.max(state.totalSteps, last, 1)], range);
}

/** A track's newest value, for the band's title. */
export function newest(band: Band, track: Track): string {
  const value = track.values.at(-1)?.[1];
  if (value === undefined) return '–';
  return band.key === 'accuracy' ? percent(value) : band.format(value);
}
