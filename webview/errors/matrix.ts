import {
  confusionMatrix,
  type Matrix,
  normaliseMatrix,
  similarityOrder,
} from '../../src/core/verdict/confusion.js';
import type { ErrorsState } from '../../src/protocol/panels/shared.js';
import type { ChartContent, Cursor, LegendItem, Picture, Reading } from '../shared/chart/content.js';
import { type Mark, rect, roomFor, rule, words } from '../shared/chart/marks.js';
import { count, fileSafe, percent, precise } from '../shared/format.js';
import type { DataTable } from '../shared/table.js';
import { sourceOf } from './content.js';
import { countVerdicts, type Digest, type Filters, type ListedError } from './selection.js';

export interface MatrixLook {
  readonly normalise: NonNullable<ErrorsState['normalise']>;
  readonly order: NonNullable<ErrorsState['order']>;
  readonly diagonal: boolean;
  readonly threshold: number;
  readonly matrix: NonNullable<ErrorsState['matrix']>;
}

/** A cell (both), a row (label alone), a column (predicted alone), or all. */
export type Cell = Pick<Filters, 'label' | 'predicted'>;

interface Shown {
  readonly names: readonly string[];
  /** Counts; of the difference B − A. */
  readonly counts: Matrix;
  readonly values: Matrix;
  /** Classes from the first row, and column, on. */
  readonly order: readonly number[];
  readonly look: MatrixLook;
  readonly errors: readonly ListedError[];
}

const shades = 16;
/** Names longer than this are cut. */
const longestName = 12;

function prepare(digest: Digest, look: MatrixLook): Shown {
  const { first, second } = digest;
  const classes = first.classNames.length;
  const a = confusionMatrix(first.labels, first.predicted, classes);
  const b = second && confusionMatrix(second.labels, second.predicted, classes);
  const minus = (x: Matrix, y: Matrix): Matrix => x.map((row, i) => row.map((value, j) => value - y[i]![j]!));
  const isDifference = look.matrix === 'difference' && b !== undefined;
  const one = look.matrix === 'second' && b !== undefined ? b : a;
  const { normalise } = look;
  return {
    names: first.classNames,
    counts: isDifference ? minus(b, a) : one,
    values: isDifference
      ? minus(normaliseMatrix(b, normalise), normaliseMatrix(a, normalise))
      : normaliseMatrix(one, normalise),
    order: look.order === 'similarity' ? similarityOrder(a) : first.classNames.map((_, i) => i),
    look,
    errors: look.matrix === 'second' && second ? digest.secondRows : digest.rows,
  };
}

/** Whether a cell is drawn. */
function isShown({ look, counts }: Shown, label: number, predicted: number): boolean {
  const value = Math.abs(counts[label]![predicted]!);
  if (label === predicted) return look.diagonal && value > 0;
  return value > 0 && value >= look.threshold;
}

function valueText({ look, counts, values }: Shown, label: number, predicted: number): string {
  const [number, share] = [counts[label]![predicted]!, values[label]![predicted]!];
  const sign = look.matrix === 'difference' && number > 0 ? '+' : '';
  if (look.normalise === 'none') return sign + count(number).replace('-', '−');
  return (sign + Math.round(share * 100)).replace('-', '−');
}

function cut(name: string): string {
  return name.length > longestName ? `${name.slice(0, longestName - 1)}…` : name;
}

/** The confusion matrix as a chart. @param choose a cell, a row or a column */
export function matrixContent(
  digest: Digest,
  look: MatrixLook,
  selected: Cell,
  choose: (cell: Cell) => void,
): ChartContent {
  const shown = prepare(digest, look);
  const { first, second } = digest;
  const units = { none: 'images', row: '% of the true class', column: '% of the predicted class' }[
    look.normalise
  ];
  const which =
    look.matrix === 'difference' && second ? ', B − A' : look.matrix === 'second' && second ? ' of B' : '';
  const legend: LegendItem[] = [
    { sign: 'heat', hue: 'plain', text: `${units}${which}, square-root shading` },
    { sign: 'area', hue: 'norm', text: 'share of the cell’s errors that norm is to blame for' },
    { sign: 'area', hue: 'angle', text: 'angle (one over the other: both; none: neither)' },
  ];
  return {
    title: `Confusion matrix${which}`,
    summary: summaryOf(shown),
    legend: look.matrix === 'difference' ? legend.slice(0, 1) : legend,
    tables: () => [tableOf(shown, units + which)],
    source: sourceOf(
      look.matrix === 'second' && second ? second : first,
      look.matrix === 'difference' ? second : undefined,
    ),
    fileName: fileSafe(`${first.run ?? first.data}-confusion`),
    draw: (width) => draw(shown, width, selected, choose),
  };
}

function summaryOf(shown: Shown): string {
  let most = { value: 0, label: 0, predicted: 0 };
  shown.counts.forEach((row, label) => {
    row.forEach((value, predicted) => {
      if (label !== predicted && Math.abs(value) > Math.abs(most.value)) most = { value, label, predicted };
    });
  });
  const { names } = shown;
  if (most.value === 0) return 'No image is classified wrongly.';
  const what = shown.look.matrix === 'difference' ? 'Largest change' : 'Most often';
  return `${what}: ${names[most.label]} taken for ${names[most.predicted]}, ${count(most.value)}. Rows are true classes, columns predicted ones. Arrow keys read the cells, Enter opens one; the first column and the last row open whole rows and columns.`;
}

function tableOf(shown: Shown, units: string): DataTable {
  const { order, names } = shown;
  return {
    caption: `True class (rows) and predicted class (columns), ${units}`,
    columns: [{ label: 'true class' }, ...order.map((predicted) => ({ label: names[predicted]! }))],
    rows: order.map((label) => [
      { text: names[label]!, value: names[label] },
      ...order.map((predicted) => ({
        text: isShown(shown, label, predicted) ? valueText(shown, label, predicted) : '',
        value: shown.values[label]![predicted],
      })),
    ]),
  };
}

interface Layout {
  readonly left: number;
  readonly top: number;
  readonly cell: number;
  readonly size: number;
}

function layoutOf({ names }: Shown, width: number): Layout & { readonly height: number } {
  const label = Math.min(width * 0.26, Math.max(...names.map((name) => roomFor(cut(name))))) + 22;
  const cell = Math.max(3, Math.min(46, Math.floor((width - label - 6) / names.length)));
  const size = cell * names.length;
  return { left: label, top: 6, cell, size, height: 6 + size + label + 4 };
}

function draw(shown: Shown, width: number, selected: Cell, choose: (cell: Cell) => void): Picture {
  const layout = layoutOf(shown, width);
  const { left, top, cell, size } = layout;
  const classes = shown.names.length;
  return {
    width,
    height: layout.height,
    marks: [
      ...cellMarks(shown, layout),
      rect('frame', 'frame-line', { x: left, y: top, width: size, height: size }),
      ...(cell >= 12 ? gridMarks(classes, layout) : []),
      ...labelMarks(shown, layout),
      ...(selected.label === undefined && selected.predicted === undefined
        ? []
        : [rect('selected', 'target', boxOf(shown, layout, selected))]),
    ],
    cursor: cursorOf(shown, layout, choose),
  };
}

/** The rectangle of a cell, a row or a column. */
function boxOf({ order }: Shown, { left, top, cell, size }: Layout, { label, predicted }: Cell) {
  const row = label === undefined ? undefined : order.indexOf(label);
  const column = predicted === undefined ? undefined : order.indexOf(predicted);
  return {
    x: column === undefined ? left : left + column * cell,
    y: row === undefined ? top : top + row * cell,
    width: column === undefined ? size : cell,
    height: row === undefined ? size : cell,
  };
}

function cellMarks(shown: Shown, layout: Layout): readonly Mark[] {
  const { order, values, look } = shown;
  const { left, top, cell } = layout;
  // The diagonal is far above the rest in any network worth looking at: it has a scale of its own.
  const largest = (diagonal: boolean): number =>
    Math.max(
      0,
      ...values.flatMap((row, label) =>
        row.filter((_, predicted) => (label === predicted) === diagonal).map(Math.abs),
      ),
    );
  const most = [largest(false), largest(true)];
  const fills = Array.from({ length: shades }, () => '');
  let fewer = '';
  const texts: Mark[] = [];
  order.forEach((label, row) => {
    order.forEach((predicted, column) => {
      if (!isShown(shown, label, predicted)) return;
      const value = values[label]![predicted]!;
      const share = Math.sqrt(Math.abs(value) / (most[label === predicted ? 1 : 0]! || 1));
      // Diagonal cells stay in the background: they are what needs no explanation.
      const shade = Math.max(0, Math.ceil(share * (label === predicted ? 0.35 : 1) * shades) - 1);
      const [x, y] = [left + column * cell, top + row * cell];
      if (look.matrix === 'difference' && value < 0)
        fewer += `M${x + 2.5} ${y + 2.5}H${x + cell - 2.5}V${y + cell - 2.5}H${x + 2.5}Z`;
      else fills[shade] += `M${x} ${y}H${x + cell}V${y + cell}H${x}Z`;
      if (cell < 20) return;
      const dark = (shade + 1) / shades > 0.5 && !(look.matrix === 'difference' && value < 0);
      texts.push(
        words(
          `value-${label}-${predicted}`,
          dark ? 'on-cell' : 'value',
          [x + cell / 2, y + cell / 2 + 4],
          valueText(shown, label, predicted),
          { anchor: 'middle' },
        ),
      );
    });
  });
  return [
    ...fills.map((d, shade): Mark => {
      const opacity = Math.round(((shade + 1) / shades) * 100) / 100;
      return {
        tag: 'path',
        key: `cells-${shade}`,
        className: 'cell',
        attributes: { d, 'fill-opacity': opacity },
      };
    }),
    { tag: 'path', key: 'fewer', className: 'line plain second', attributes: { d: fewer } },
    ...(cell >= 20 && look.matrix !== 'difference' ? verdictMarks(shown, layout) : []),
    ...texts,
  ];
}

/** Along the foot of each cell of errors: which share norm and angle are to blame for. */
function verdictMarks(shown: Shown, { left, top, cell }: Layout): readonly Mark[] {
  const groups = new Map<string, ListedError[]>();
  for (const error of shown.errors) {
    const key = `${error.label} ${error.predicted}`;
    const group = groups.get(key);
    if (group) group.push(error);
    else groups.set(key, [error]);
  }
  const [room, thick] = [cell - 4, 3];
  const marks: Mark[] = [];
  for (const group of groups.values()) {
    const { label, predicted } = group[0]!;
    if (!isShown(shown, label, predicted)) continue;
    const { norm, angle, both } = countVerdicts(group);
    const x = left + shown.order.indexOf(predicted) * cell + 2;
    const y = top + (shown.order.indexOf(label) + 1) * cell - 2 - 2 * thick;
    const width = (part: number): number => (room * part) / group.length;
    const bar = (key: string, hue: string, from: number, part: number, line: number): void => {
      if (part > 0)
        marks.push(
          rect(`${key}-${label}-${predicted}`, `verdict-bar ${hue}`, {
            x: x + width(from),
            y: y + line * thick,
            width: width(part),
            height: thick,
          }),
        );
    };
    bar('norm', 'norm', 0, norm + both, 0);
    bar('angle', 'angle', norm, both + angle, 1);
  }
  return marks;
}

function gridMarks(classes: number, { left, top, cell, size }: Layout): readonly Mark[] {
  return Array.from({ length: classes - 1 }, (_, i) => {
    const at = (i + 1) * cell;
    return [
      rule(`across-${i}`, 'grid', [left, top + at], [left + size, top + at]),
      rule(`down-${i}`, 'grid', [left + at, top], [left + at, top + size]),
    ];
  }).flat();
}

function labelMarks({ names, order }: Shown, { left, top, cell, size }: Layout): readonly Mark[] {
  // Where cells are narrower than a line of text only every so many classes are named.
  const every = Math.ceil(12 / cell);
  return [
    ...order.flatMap((label, i) => {
      if (i % every !== 0) return [];
      const middle = (i + 0.5) * cell + 4;
      return [
        words(`row-${label}`, 'label', [left - 6, top + middle], cut(names[label]!), { anchor: 'end' }),
        words(`column-${label}`, 'label', [left + middle, top + size + 6], cut(names[label]!), {
          anchor: 'end',
          turned: true,
        }),
      ];
    }),
    words('true', 'value', [10, top + size / 2], 'true class', { anchor: 'middle', turned: true }),
    words('predicted', 'value', [left + size / 2, top + size + left - 4], 'predicted class', {
      anchor: 'middle',
    }),
  ];
}

/** Column 0 stands for whole rows, row 0 (the lowest) for whole columns. */
function cursorOf(shown: Shown, layout: Layout, choose: (cell: Cell) => void): Cursor {
  const { order, names } = shown;
  const { left, top, cell, size } = layout;
  const classes = names.length;
  const cellAt = (column: number, row: number): Cell => ({
    label: row === 0 ? undefined : order[classes - row],
    predicted: column === 0 ? undefined : order[column - 1],
  });
  return {
    columns: classes + 1,
    rows: classes + 1,
    start: [1, classes],
    choose: (column, row) => choose(cellAt(column, row)),
    locate: (x, y) => {
      const column = x < left ? 0 : Math.floor((x - left) / cell) + 1;
      const row = y > top + size ? 0 : classes - Math.floor((y - top) / cell);
      if (column > classes || row > classes || row < 0 || (column === 0 && row === 0)) return undefined;
      return [column, row];
    },
    stop: (column, row) => {
      const place = cellAt(column, row);
      const box = boxOf(shown, layout, place);
      return {
        at: [box.x + Math.min(box.width, cell), box.y + Math.min(box.height, cell) / 2],
        marks: [rect('cursor-cell', 'target', box)],
        readings: readingsOf(shown, place),
      };
    },
  };
}

function readingsOf(
  { names, counts, values, errors, look }: Shown,
  { label, predicted }: Cell,
): readonly Reading[] {
  const rows = errors.filter(
    (error) =>
      (label === undefined || error.label === label) &&
      (predicted === undefined || error.predicted === predicted),
  );
  const readings: Reading[] = [
    { label: 'true class', value: label === undefined ? 'any' : names[label]! },
    { label: 'predicted', value: predicted === undefined ? 'any' : names[predicted]! },
  ];
  if (label !== undefined && predicted !== undefined) {
    readings.push({
      label: look.matrix === 'difference' ? 'B − A' : 'images',
      value: precise(counts[label]![predicted]!),
    });
    if (look.normalise !== 'none')
      readings.push({
        label: `share of ${look.normalise}`,
        value: `${precise(values[label]![predicted]! * 100)} %`,
      });
    if (label === predicted) return readings;
  } else readings.push({ label: 'errors', value: count(rows.length) });
  if (look.matrix === 'difference' || rows.length === 0) return readings;
  const { norm, angle, both, neither } = countVerdicts(rows);
  const part = (value: number): string => `${count(value)} (${percent(value / rows.length)})`;
  return [
    ...readings,
    { label: 'norm', value: part(norm), hue: 'norm' },
    { label: 'angle', value: part(angle), hue: 'angle' },
    { label: 'both', value: part(both) },
    { label: 'neither', value: part(neither) },
  ];
}
