import type { RunState } from '../../src/core/run/run.js';
import { type AxisScale, axis, axisScale } from '../shared/chart/axis.js';
import type { Cursor, CursorStop, Picture, Reading } from '../shared/chart/content.js';
import { area, dot, line, type Mark, type Point, roomFor, rule, words } from '../shared/chart/marks.js';
import { precise } from '../shared/format.js';
import { type Band, newest, stepScale, type Track, toBands } from './bands.js';
import type { LayerHistory, Series } from './series.js';

const titleRoom = 24;
const gap = 10;

interface PlacedBand {
  readonly band: Band;
  readonly top: number;
  readonly bottom: number;
  readonly y: AxisScale;
}

/** Stack the bands below each other. */
function placeBands(bands: readonly Band[], from: number): readonly PlacedBand[] {
  let top = from;
  return bands.map((band) => {
    top += titleRoom;
    const bottom = top + band.height;
    const placed = { band, top, bottom, y: axisScale(band.domain, [bottom, top], band.logarithmic) };
    top = bottom + gap;
    return placed;
  });
}

function trackMarks(track: Track, { y, bottom }: PlacedBand, x: AxisScale): readonly Mark[] {
  const points = track.values
    .filter(([, value]) => Number.isFinite(value))
    .map(([step, value]): Point => [x(step), y(value)]);
  // One point makes no line yet.
  const single = points.length === 1 ? points : [];
  switch (track.look) {
    case 'line':
      return [line(track.key, track.hue, points)];
    case 'hairline':
      return [
        { ...line(track.key, '', points), className: 'radius-history' },
        ...single.map((at) => dot(`${track.key}-dot`, track.hue, at, 2.5)),
      ];
    case 'area':
      return [
        area(`${track.key}-area`, track.hue, points, { y: bottom }),
        line(track.key, track.hue, points),
        ...single.map((at) => dot(`${track.key}-dot`, track.hue, at, 2.5)),
      ];
    case 'points':
      return points.map((at, i) => dot(`${track.key}-${i}`, track.hue, at, 3.5));
  }
}

function bandMarks(placed: PlacedBand, x: AxisScale, width: number): readonly Mark[] {
  const { band, top, bottom, y } = placed;
  const [left, right] = x.range;
  const values = band.tracks.map((track) => `${track.name} ${newest(band, track)}`);
  const single = band.tracks.length === 1;
  const title = single
    ? `${band.title} ${newest(band, band.tracks[0]!)}`
    : `${band.title}: ${values.join(' · ')}`;
  const shortTitle = single || roomFor(title) < width ? title : band.title;
  const ticks =
    band.height > 100 ? 4 : band.height > 60 ? 3 : band.logarithmic ? [band.domain[0], band.domain[1]] : 2;
  return [
    ...(typeof ticks === 'number' ? y.ticks(ticks) : ticks).map((value) =>
      rule(`${band.key}-grid-${value}`, 'grid', [left, y(value)], [right, y(value)]),
    ),
    words(`${band.key}-title`, 'value', [left, top - 8], shortTitle),
    ...axis({ key: band.key, at: 'left', edge: left, scale: y, ticks, format: band.format }),
    rule(`${band.key}-base`, 'frame-line', [left, bottom], [right, bottom]),
    ...band.tracks.flatMap((track) => trackMarks(track, placed, x)),
  ];
}

function stepReadings(series: Series, layer: LayerHistory | undefined, step: number): readonly Reading[] {
  const at = series.steps.find((record) => record.step === step);
  const epoch = series.epochs.find((record) => record.step === step);
  const health = layer?.points.find((point) => point.step === step);
  return [
    { label: 'step', value: String(step) },
    ...(at
      ? [
          { label: 'training loss', value: precise(at.loss) },
          { label: 'training accuracy', value: `${precise(at.accuracy * 100)} %` },
          { label: 'learning rate', value: precise(at.learningRate) },
          { label: 'images/s', value: precise(at.imagesPerSecond) },
        ]
      : []),
    ...(epoch
      ? [
          { label: 'after epoch', value: String(epoch.epoch) },
          { label: 'test loss', value: precise(epoch.testLoss) },
          { label: 'test accuracy', value: `${precise(epoch.testAccuracy * 100)} %` },
        ]
      : []),
    ...(health && layer
      ? [
          { label: `${layer.name} E‖x‖`, value: precise(health.meanPatchNorm), hue: 'norm' as const },
          ...(health.radius === undefined
            ? []
            : [{ label: `${layer.name} R`, value: precise(health.radius) }]),
        ]
      : []),
  ];
}

function stepCursor(
  series: Series,
  layer: LayerHistory | undefined,
  placed: readonly PlacedBand[],
  x: AxisScale,
): Cursor | undefined {
  const steps = [...new Set([...series.steps, ...series.epochs].map(({ step }) => step))].sort(
    (a, b) => a - b,
  );
  const [first, last] = [placed[0], placed.at(-1)];
  if (steps.length === 0 || !first || !last) return undefined;
  const stop = (column: number, row: number): CursorStop => {
    const step = steps[column]!;
    const focus = placed[placed.length - 1 - row]!;
    const marks = placed.flatMap(({ band, y }) =>
      band.tracks.flatMap((track) => {
        const value = track.values.find(([at]) => at === step)?.[1];
        if (value === undefined || !Number.isFinite(value)) return [];
        return [dot(`cursor-${track.key}`, track.hue, [x(step), y(value)], band === focus.band ? 4.5 : 3)];
      }),
    );
    return {
      at: [x(step), (focus.top + focus.bottom) / 2],
      marks: [rule('cursor-step', 'crosshair', [x(step), first.top], [x(step), last.bottom]), ...marks],
      readings: stepReadings(series, layer, step),
    };
  };
  return {
    columns: steps.length,
    rows: placed.length,
    start: [steps.length - 1, placed.length - 1],
    stop,
    locate: (px, py) => {
      if (px < x.range[0] - 6 || px > x.range[1] + 6) return undefined;
      const row = placed.findIndex(({ bottom }) => py <= bottom + gap);
      if (row < 0 || py < first.top - titleRoom) return undefined;
      const wanted = x.invert(px);
      const nearest = steps.reduce(
        (best, step, i) => (Math.abs(step - wanted) < Math.abs(steps[best]! - wanted) ? i : best),
        0,
      );
      return [nearest, placed.length - 1 - row];
    },
  };
}

/**
 * The training panel's hero: bands over one axis of steps, with the epochs as grid lines.
 * @param width of the page's column, pixels
 */
export function drawTraining(
  state: RunState,
  series: Series,
  layer: LayerHistory | undefined,
  width: number,
): Picture {
  const left = 52;
  const right = width - 10;
  const x = stepScale(state, series, [left, right]);
  const placed = placeBands(toBands(series, layer), 14);
  const bottom = placed.at(-1)?.bottom ?? 0;
  const everyEpoch = state.stepsPerEpoch ?? (state.epochs > 0 ? x.domain[1] / state.epochs : 0);
  // The last one may be a part of an epoch, which ends where the axis does.
  const wholeEpochs = everyEpoch > 0 ? Math.min(state.epochs, Math.floor(x.domain[1] / everyEpoch)) : 0;
  const room = everyEpoch > 0 ? x(everyEpoch) - x(0) : 0;
  const labelRoom = 12 + 7 * String(state.epochs).length;
  const stride = room > 0 ? Math.max(1, Math.ceil(labelRoom / room)) : 0;
  const lines =
    stride === 0 ? [] : Array.from({ length: Math.floor(wholeEpochs / stride) }, (_, i) => (i + 1) * stride);
  const marks: readonly Mark[] = [
    ...lines.flatMap((epoch) => {
      const at = x(epoch * everyEpoch);
      const anchor = epoch === state.epochs ? 'end' : 'middle';
      return [
        ...placed.map(({ band, top, bottom: end }) =>
          rule(`epoch-${epoch}-${band.key}`, 'grid', [at, top], [at, end]),
        ),
        words(`epoch-label-${epoch}`, 'label', [at, 10], String(epoch), { anchor }),
      ];
    }),
    words('epoch-title', 'label', [left - 8, 10], 'epoch', { anchor: 'end' }),
    ...placed.flatMap((band) => bandMarks(band, x, right - left)),
    ...axis({
      key: 'step',
      at: 'bottom',
      edge: bottom,
      scale: x,
      ticks: Math.max(3, Math.floor((right - left) / 90)),
      format: (value) => String(value),
    }),
    words('step-title', 'value', [(left + right) / 2, bottom + 31], 'step', { anchor: 'middle' }),
  ];
  return { width, height: bottom + 36, marks, cursor: stepCursor(series, layer, placed, x) };
}
