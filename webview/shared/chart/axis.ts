import { type ScaleContinuousNumeric, scaleLinear, scaleLog } from 'd3';
import { short } from '../format.js';
import { type Mark, roomFor, rule, words } from './marks.js';

/** A position on an axis; `logarithmic` charts must say so. */
export interface AxisScale {
  (value: number): number;
  readonly domain: readonly [number, number];
  readonly range: readonly [number, number];
  readonly logarithmic: boolean;
  readonly invert: (pixel: number) => number;
  readonly ticks: (count: number) => readonly number[];
}

/** A linear or logarithmic scale from data to pixels. */
export function axisScale(
  domain: readonly [number, number],
  range: readonly [number, number],
  logarithmic = false,
): AxisScale {
  const scale: ScaleContinuousNumeric<number, number> = logarithmic ? scaleLog() : scaleLinear();
  scale.domain([...domain]).range([...range]);
  const place = (value: number): number => scale(value);
  return Object.assign(place, {
    domain,
    range,
    logarithmic,
    invert: (pixel: number) => scale.invert(pixel),
    ticks: (count: number) => scale.ticks(count),
  });
}

/**
 * Whether histogram edges are spaced evenly on a logarithmic axis (and not on a linear one), so that the axis
 * should be logarithmic too.
 */
export function areLogarithmic(edges: readonly number[]): boolean {
  if (edges.length < 4 || edges[0]! <= 0) return false;
  const ratios = edges.slice(1).map((edge, i) => edge / edges[i]!);
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
  return low > 1.001 && high / low < 1.01;
}

interface Side {
  readonly key: string;
  /** Which edge of the plot the labels stand at. */
  readonly at: 'bottom' | 'top' | 'left' | 'right';
  /** Pixel of that edge. */
  readonly edge: number;
  readonly scale: AxisScale;
  /** Wanted ticks: a number of them, or the values themselves. */
  readonly ticks: number | readonly number[];
  readonly format?: (value: number) => string;
}

/** Ticks and their labels; labels that would touch the one before are left out. */
export function axis({ key, at, edge, scale, ticks, format = short }: Side): readonly Mark[] {
  const values = typeof ticks === 'number' ? scale.ticks(ticks) : ticks;
  const upright = at === 'bottom' || at === 'top';
  const outward = at === 'bottom' || at === 'right' ? 1 : -1;
  const marks: Mark[] = [];
  let last = Number.NEGATIVE_INFINITY;
  const ordered = [...values].sort((a, b) => scale(a) - scale(b));
  for (const value of ordered) {
    const place = scale(value);
    const label = format(value);
    const half = upright ? roomFor(label) / 2 : 7;
    const data = { 'data-value': value };
    const tip = edge + 4 * outward;
    marks.push(
      upright
        ? rule(`${key}-tick-${value}`, 'tick', [place, edge], [place, tip], data)
        : rule(`${key}-tick-${value}`, 'tick', [edge, place], [tip, place], data),
    );
    if (place - half < last + 2) continue;
    last = place + half;
    const [low, high] = scale.range[0] < scale.range[1] ? scale.range : [scale.range[1], scale.range[0]];
    if (upright) {
      // Labels at the ends lean inwards, so that they never leave the chart or meet a neighbour's.
      const anchor = place - low < 2 ? 'start' : high - place < 2 ? 'end' : 'middle';
      const nudge = anchor === 'start' ? -3 : anchor === 'end' ? 3 : 0;
      marks.push(
        words(`${key}-label-${value}`, 'label', [place + nudge, edge + (at === 'bottom' ? 15 : -6)], label, {
          anchor,
        }),
      );
    } else {
      marks.push(
        words(`${key}-label-${value}`, 'label', [edge + 7 * outward, place + 4], label, {
          anchor: at === 'left' ? 'end' : 'start',
        }),
      );
    }
  }
  return marks;
}
