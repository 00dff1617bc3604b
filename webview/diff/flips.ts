import type { BehaviourComparison, WeightComparison } from '../../src/core/comparison/comparison.js';
import { axis, axisScale } from '../shared/chart/axis.js';
import type { ChartContent, Picture } from '../shared/chart/content.js';
import { type Mark, rect, roomFor, rule, words } from '../shared/chart/marks.js';
import { count, fileSafe, percent } from '../shared/format.js';
import { flipsSentence, sourceOf } from './content.js';

const rowHeight = 20;
const top = 34;
/** Classes beyond these are put together. */
const mostClasses = 20;

type Row = BehaviourComparison['flips']['perClass'][number];

/** Classes with flips, most first; where there are many, the rest as one. */
function rowsOf({ flips }: BehaviourComparison): readonly Row[] {
  const sorted = [...flips.perClass].sort((x, y) => y.fixed + y.broken - (x.fixed + x.broken));
  if (sorted.length <= mostClasses) return sorted;
  const rest = sorted.slice(mostClasses - 1);
  const total = (key: 'images' | 'fixed' | 'broken'): number => rest.reduce((sum, row) => sum + row[key], 0);
  return [
    ...sorted.slice(0, mostClasses - 1),
    { name: `${rest.length} more`, images: total('images'), fixed: total('fixed'), broken: total('broken') },
  ];
}

function draw(rows: readonly Row[], width: number): Picture {
  const left = Math.min(width * 0.35, Math.max(40, ...rows.map(({ name }) => roomFor(name) + 8)));
  const widest = Math.max(1, ...rows.flatMap(({ fixed, broken }) => [fixed, broken]));
  const scale = axisScale([-widest, widest], [left, width - 8]);
  const bottom = top + rows.length * rowHeight;
  const letters = Math.max(3, Math.floor((left - 8) / 7));
  const box = (from: number, to: number, y: number) => ({
    x: from,
    y: y + 4,
    width: to - from,
    height: rowHeight - 8,
  });
  const ticks = [...new Set([-widest, 0, widest])];
  const marks: Mark[] = [
    ...rows.flatMap((row, i): Mark[] => {
      const y = top + i * rowHeight;
      const label = row.name.length > letters ? `${row.name.slice(0, letters - 1)}…` : row.name;
      return [
        words(`class-${i}`, 'value', [left - 8, y + rowHeight / 2 + 4], label, { anchor: 'end' }),
        rect(`broken-${i}`, 'broken', box(scale(-row.broken), scale(0), y)),
        rect(`fixed-${i}`, 'area plain fixed', box(scale(0), scale(row.fixed), y)),
      ];
    }),
    rule('none', 'frame-line', [scale(0), top], [scale(0), bottom]),
    words('broken-title', 'value', [scale(0) - 8, 12], '▼ broken', { anchor: 'end' }),
    words('fixed-title', 'value', [scale(0) + 8, 12], '▲ fixed'),
    ...axis({
      key: 'images',
      at: 'top',
      edge: top - 2,
      scale,
      ticks,
      format: (value) => count(Math.abs(value)),
    }),
  ];
  const last = rows.length - 1;
  return {
    width,
    height: bottom + 4,
    marks,
    cursor: {
      columns: 1,
      rows: rows.length,
      start: [0, last],
      locate: (_, y) => {
        const row = Math.floor((y - top) / rowHeight);
        return row < 0 || row > last ? undefined : [0, last - row];
      },
      stop: (_, fromBottom) => {
        const row = last - fromBottom;
        const { name, images, fixed, broken } = rows[row]!;
        const y = top + row * rowHeight;
        return {
          at: [scale(fixed), y + rowHeight / 2],
          marks: [rect('cursor-row', 'target', { x: 1, y: y + 1, width: width - 2, height: rowHeight - 2 })],
          readings: [
            { label: 'class', value: name },
            { label: 'fixed', value: count(fixed) },
            { label: 'broken', value: count(broken) },
            { label: 'images', value: count(images) },
          ],
        };
      },
    },
  };
}

/** Beside the hero: which predictions were fixed and which broken, class by class. */
export function flipsContent(weights: WeightComparison, behaviour: BehaviourComparison): ChartContent {
  const rows = rowsOf(behaviour);
  return {
    title: 'Predictions fixed and broken',
    summary: flipsSentence(behaviour),
    legend: [
      { sign: 'area', hue: 'plain', text: '▲ fixed: wrong in A, right in B' },
      { sign: 'area', hue: 'plain', text: '▼ broken: right in A, wrong in B', second: true },
    ],
    tables: () => [
      {
        caption: 'By true class',
        columns: [
          { label: 'class' },
          { label: 'fixed' },
          { label: 'broken' },
          { label: 'images' },
          { label: 'changed' },
        ],
        rows: behaviour.flips.perClass.map(({ name, images, fixed, broken }) => [
          { text: name, value: name },
          { text: count(fixed), value: fixed },
          { text: count(broken), value: broken },
          { text: count(images), value: images },
          images === 0
            ? { text: '–', value: undefined }
            : { text: percent((fixed + broken) / images), value: (fixed + broken) / images },
        ]),
      },
    ],
    source: sourceOf(
      weights,
      `${behaviour.data} ${behaviour.split} split, n = ${count(behaviour.sampleSize)}`,
    ),
    fileName: fileSafe(`${weights.a.name}-${weights.b.name}-flips`),
    draw: (width) => draw(rows, width),
  };
}
