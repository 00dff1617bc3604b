import { type ScaleContinuousNumeric, scaleLinear, scaleLog } from 'd3';
import { short } from '../format.js';
import { type Mark, type Point, roomFor, rule, words } from './marks.js';

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
 * Whether histogram edges are spaced evenly on a logarithmic axis rather than on a linear one, so that the axis should
 * be logarithmic too. Over a short range the two look alike: what counts is which of them is even.
 */
export function areLogarithmic(edges: readonly number[]): boolean {
  if (edges.length < 4 || edges[0]! <= 0) return false;
  const unevenness = (steps: readonly number[]): number => Math.max(...steps) / Math.min(...steps) - 1;
  const ratios = unevenness(edges.slice(1).map((edge, i) => edge / edges[i]! - 1));
  const differences = unevenness(edges.slice(1).map((edge, i) => edge - edges[i]!));
  return ratios < 0.1 * differences;
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

interface Label {
  readonly at: number;
  readonly anchor: 'start' | 'middle' | 'end';
  /** What it takes up of the axis, pixels. */
  readonly span: readonly [number, number];
}

/** A label under or over a tick. Near the axis' ends it leans inwards: it never leaves the chart, nor touches the next. */
function labelBeside(place: number, label: string, scale: AxisScale): Label {
  const [low, high] = [Math.min(...scale.range), Math.max(...scale.range)];
  const room = roomFor(label);
  const [first, last] = [low - 3, high + 3];
  if (place - room / 2 < first) return { at: first, anchor: 'start', span: [first, first + room] };
  if (place + room / 2 > last) return { at: last, anchor: 'end', span: [last - room, last] };
  return { at: place, anchor: 'middle', span: [place - room / 2, place + room / 2] };
}

/** A label left or right of a tick. */
function labelBefore(place: number, side: Side['at']): Label {
  return { at: place + 4, anchor: side === 'left' ? 'end' : 'start', span: [place - 7, place + 7] };
}

/** Ticks and their labels; labels that would touch the one before are left out. */
export function axis({ key, at, edge, scale, ticks, format = short }: Side): readonly Mark[] {
  const values = typeof ticks === 'number' ? scale.ticks(ticks) : ticks;
  const upright = at === 'bottom' || at === 'top';
  const outward = at === 'bottom' || at === 'right' ? 1 : -1;
  const marks: Mark[] = [];
  let taken = Number.NEGATIVE_INFINITY;
  for (const value of [...new Set(values)].sort((a, b) => scale(a) - scale(b))) {
    const place = scale(value);
    const label = format(value);
    const tip = edge + 4 * outward;
    const [from, to]: readonly [Point, Point] = upright
      ? [
          [place, edge],
          [place, tip],
        ]
      : [
          [edge, place],
          [tip, place],
        ];
    marks.push(rule(`${key}-tick-${value}`, 'tick', from, to, { 'data-value': value }));
    const { at: spot, anchor, span } = upright ? labelBeside(place, label, scale) : labelBefore(place, at);
    if (span[0] < taken + 2) continue;
    taken = span[1];
    const where: Point = upright ? [spot, edge + (at === 'bottom' ? 15 : -6)] : [edge + 7 * outward, spot];
    marks.push(words(`${key}-label-${value}`, 'label', where, label, { anchor }));
  }
  return marks;
}
