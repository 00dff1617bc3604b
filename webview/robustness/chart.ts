import { axis, axisScale } from '../shared/chart/axis.js';
import type { Cursor, Picture } from '../shared/chart/content.js';
import { dot, line, type Mark, type Point, rule, words } from '../shared/chart/marks.js';
import { short } from '../shared/format.js';

export interface Line {
  readonly name: string;
  /** Dashed. */
  readonly second: boolean;
  /** A control, drawn quietly. */
  readonly fine?: boolean;
  readonly values: readonly number[];
}

export interface SeriesPicture {
  readonly lines: readonly Line[];
  /** What each value belongs to; evenly spaced. */
  readonly columns: readonly number[];
  readonly columnName: string;
  readonly axisTitle: string;
  readonly domain: readonly [number, number];
  readonly format: (value: number) => string;
}

const height = 260;
const labelHeight = 14;

/** Lines over a few columns, each named at its end. */
export function drawSeries(
  { lines, columns, columnName, axisTitle, domain, format }: SeriesPicture,
  width: number,
): Picture {
  const [left, right, top, bottom] = [60, width - 130, 10, height];
  const [low, high] = domain;
  const y = axisScale(high > low ? domain : [low - 1, high + 1], [bottom, top]);
  const x = axisScale([0, Math.max(1, columns.length - 1)], [left, right]);
  const pointsOf = ({ values }: Line): Point[] => values.map((value, i) => [x(i), y(value)]);
  const room = Math.max(1, Math.ceil(columns.length / Math.max(2, Math.floor((right - left) / 48))));
  const marks: Mark[] = [
    ...y.ticks(5).map((value) => rule(`grid-${value}`, 'grid', [left, y(value)], [right, y(value)])),
    ...axis({ key: 'value', at: 'left', edge: left, scale: y, ticks: 5, format }),
    ...axis({
      key: 'column',
      at: 'bottom',
      edge: bottom,
      scale: x,
      ticks: columns.map((_, i) => i).filter((i) => i % room === 0),
      format: (i) => short(columns[i]!),
    }),
    words('column-title', 'value', [(left + right) / 2, bottom + 31], axisTitle, { anchor: 'middle' }),
    rule('base', 'frame-line', [left, bottom], [right, bottom]),
    ...lines.flatMap((one) => [
      line(
        `line-${one.name}`,
        `plain${one.second ? ' second' : ''}${one.fine ? ' fine' : ''}`,
        pointsOf(one),
      ),
      ...pointsOf(one).map((at, i) => dot(`dot-${one.name}-${i}`, 'plain', at, one.fine ? 1.5 : 2.5)),
    ]),
    ...endLabels(lines, (one) => y(one.values.at(-1)!), top, bottom).map(({ name, at }) =>
      words(`name-${name}`, 'label', [right + 8, at + 4], name),
    ),
  ];
  const cursor: Cursor = {
    columns: columns.length,
    rows: 1,
    start: [columns.length - 1, 0],
    locate: (px, py) => {
      if (px < left - 8 || px > right + 8 || py > bottom + 20) return undefined;
      return [Math.max(0, Math.min(columns.length - 1, Math.round(x.invert(px)))), 0];
    },
    stop: (column) => ({
      at: [x(column), (top + bottom) / 2],
      marks: [rule('cursor-column', 'crosshair', [x(column), top], [x(column), bottom])],
      readings: [
        { label: columnName, value: short(columns[column]!) },
        ...lines.map(({ name, values }) => ({ label: name, value: format(values[column]!) })),
      ],
    }),
  };
  return { width, height: bottom + 36, marks, cursor };
}

/** Names beside the lines' ends, moved apart so that none covers another. */
function endLabels(
  lines: readonly Line[],
  endOf: (line: Line) => number,
  top: number,
  bottom: number,
): readonly { readonly name: string; readonly at: number }[] {
  const sorted = lines.map((one) => ({ name: one.name, at: endOf(one) })).sort((a, b) => a.at - b.at);
  let free = top - labelHeight;
  const down = sorted.map(({ name, at }) => {
    free = Math.max(at, free + labelHeight);
    return { name, at: free };
  });
  let limit = bottom + labelHeight;
  return down.toReversed().map(({ name, at }) => {
    limit = Math.min(at, limit - labelHeight);
    return { name, at: limit };
  });
}
