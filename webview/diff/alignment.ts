import type { BehaviourComparison, WeightComparison } from '../../src/core/comparison/comparison.js';
import type { ChartContent, Picture } from '../shared/chart/content.js';
import { type Mark, rect, roomFor, words } from '../shared/chart/marks.js';
import { count, fileSafe, precise, short } from '../shared/format.js';
import { sourceOf } from './content.js';

const top = 22;
const largestCell = 44;

type Alignment = BehaviourComparison['cka'];

function draw({ layersA, layersB, values }: Alignment, width: number): Picture {
  const left = Math.min(width * 0.3, Math.max(48, ...layersA.map((name) => roomFor(name) + 10)) + 16);
  const cell = Math.min(largestCell, (width - left - 8) / layersB.length);
  const height = Math.min(cell, 30);
  const bottom = top + layersA.length * height;
  const letters = Math.max(3, Math.floor((left - 26) / 7));
  const fits = (name: string, room: number): string =>
    name.length > room ? `${name.slice(0, Math.max(1, room - 1))}…` : name;
  /** Names under the columns stand upright where they would touch. */
  const upright = layersB.some((name) => roomFor(name) > cell - 4);
  const longest = upright ? Math.min(90, Math.max(...layersB.map(roomFor))) : 12;
  const marks: Mark[] = [
    words('axis-a', 'label', [12, (top + bottom) / 2], 'A', { anchor: 'middle' }),
    words('axis-b', 'label', [left + (cell * layersB.length) / 2, 12], 'B', { anchor: 'middle' }),
    ...layersA.flatMap((name, i): Mark[] => [
      words(`a-${i}`, 'value', [left - 6, top + (i + 0.5) * height + 4], fits(name, letters), {
        anchor: 'end',
      }),
      ...layersB.flatMap((_, j): Mark[] => {
        const value = values[i]?.[j] ?? null;
        const box = rect(`cell-${i}-${j}`, 'cell', {
          x: left + j * cell,
          y: top + i * height,
          width: cell - 1,
          height: height - 1,
        });
        const shade = Math.round(Math.min(1, Math.max(0, value ?? 0)) * 1000) / 1000;
        const room = cell >= 30 && height >= 16;
        return [
          { ...box, attributes: { ...box.attributes, 'fill-opacity': shade * 0.9 } },
          ...(room
            ? [
                words(
                  `value-${i}-${j}`,
                  shade > 0.5 ? 'value inverse' : 'value',
                  [left + (j + 0.5) * cell, top + (i + 0.5) * height + 4],
                  value === null ? '–' : value.toFixed(2).replace('-', '−'),
                  { anchor: 'middle' },
                ),
              ]
            : []),
        ];
      }),
    ]),
    ...layersB.map((name, j) => {
      const x = left + (j + 0.5) * cell;
      return upright
        ? words(`b-${j}`, 'value', [x + 4, bottom + 6], fits(name, 12), { anchor: 'end', turned: true })
        : words(`b-${j}`, 'value', [x, bottom + 14], name, { anchor: 'middle' });
    }),
  ];
  const last = layersA.length - 1;
  return {
    width,
    height: bottom + longest + 12,
    marks,
    cursor: {
      columns: layersB.length,
      rows: layersA.length,
      start: [0, last],
      locate: (x, y) => {
        const [column, row] = [Math.floor((x - left) / cell), Math.floor((y - top) / height)];
        const inside = column >= 0 && column < layersB.length && row >= 0 && row <= last;
        return inside ? [column, last - row] : undefined;
      },
      stop: (column, fromBottom) => {
        const row = last - fromBottom;
        const value = values[row]?.[column] ?? null;
        const [x, y] = [left + column * cell, top + row * height];
        return {
          at: [x + cell / 2, y + height / 2],
          marks: [rect('cursor-cell', 'target', { x, y, width: cell - 1, height: height - 1 })],
          readings: [
            { label: 'layer of A', value: layersA[row] ?? '' },
            { label: 'layer of B', value: layersB[column] ?? '' },
            { label: 'CKA', value: value === null ? 'a layer does not vary' : precise(value) },
          ],
        };
      },
    },
  };
}

/** Linear CKA of every layer of A with every layer of B. */
export function alignmentContent(
  weights: WeightComparison,
  { cka, data, split }: BehaviourComparison,
): ChartContent {
  const own = cka.layersA.flatMap((name, i) => {
    const value = cka.values[i]?.[cka.layersB.indexOf(name)];
    return typeof value === 'number' ? [`${name} ${short(value)}`] : [];
  });
  return {
    title: 'CKA of the layers’ outputs',
    summary: `Linear, unbiased, from ${count(cka.images)} images in batches of ${count(cka.batch)}. ${own.join(', ')}. Arrow keys read the cells.`,
    legend: [
      {
        sign: 'heat',
        hue: 'plain',
        text: `0 to 1, the same up to rotation and scale; unbiased, n = ${count(cka.images)}, batches of ${count(cka.batch)}`,
      },
    ],
    tables: () => [
      {
        caption: 'Layers of A (rows) and of B (columns)',
        columns: [{ label: '' }, ...cka.layersB.map((label) => ({ label }))],
        rows: cka.layersA.map((name, i) => [
          { text: name, value: name },
          ...cka.layersB.map((_, j) => {
            const value = cka.values[i]?.[j] ?? null;
            return value === null
              ? { text: '–', value: undefined }
              : { text: value.toFixed(3).replace('-', '−'), value };
          }),
        ]),
      },
    ],
    source: sourceOf(weights, `${data} ${split} split, n = ${count(cka.images)}`),
    fileName: fileSafe(`${weights.a.name}-${weights.b.name}-cka`),
    draw: (width) => draw(cka, width),
  };
}
