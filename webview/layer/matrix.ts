import type { Inspection, LayerInspection } from '../../src/core/statistics/inspection.js';
import type { FilterAngles } from '../../src/protocol/engine.js';
import type { ChartContent, Picture } from '../shared/chart/content.js';
import { type Mark, rect, words } from '../shared/chart/marks.js';
import { shadedGrid, shadeScale } from '../shared/chart/shades.js';
import { checkpointName, count, fileSafe, short } from '../shared/format.js';
import type { DataTable } from '../shared/table.js';
import { sourceLine } from './content.js';

/** Tables list so many of the nearest pairs. */
const mostPairs = 200;

/** Angles between filters in degrees, [F, F] row-major; 0 on the diagonal. */
function unpackAngles({ filters, angles }: FilterAngles): Float32Array {
  const bytes = Uint8Array.from(atob(angles), (character) => character.charCodeAt(0));
  const matrix = new Float32Array(filters * filters);
  let at = 0;
  for (let i = 0; i < filters; i++)
    for (let j = i + 1; j < filters; j++) {
      const angle = ((bytes[at]! + 256 * bytes[at + 1]!) * 180) / 65535;
      at += 2;
      matrix[i * filters + j] = angle;
      matrix[j * filters + i] = angle;
    }
  return matrix;
}

function nearestPairs(matrix: Float32Array, filters: number): readonly (readonly [i: number, j: number])[] {
  const pairs: [number, number][] = [];
  for (let i = 0; i < filters; i++) for (let j = i + 1; j < filters; j++) pairs.push([i, j]);
  return pairs.sort((a, b) => matrix[a[0] * filters + a[1]]! - matrix[b[0] * filters + b[1]]!);
}

function draw(matrix: Float32Array, filters: number, width: number, filter: number | undefined): Picture {
  const [left, top] = [34, 20];
  const side = Math.min(width - left - 8, 420);
  const cell = side / filters;
  const half = Math.min(160, side) / 2;
  // The nearer, the fuller; 90° is empty, and what is beyond has no hue.
  const nearness = matrix.map((angle, at) => (Math.floor(at / filters) === at % filters ? 0 : 90 - angle));
  const fullest = nearness.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  const name = (i: number): string => String(i);
  const ticks = [...new Set([0, Math.floor((filters - 1) / 2), filters - 1])];
  const box = (key: string, className: string, column: number, row: number): Mark =>
    rect(key, className, { x: left + column * cell, y: top + row * cell, width: cell, height: cell });
  const marks: Mark[] = [
    ...shadedGrid('pair', 'cell angle', nearness, filters, [0, fullest], { x: left, y: top, cell }),
    ...shadedGrid(
      'opposed',
      'cell',
      nearness.map((value) => -value),
      filters,
      [0, fullest],
      {
        x: left,
        y: top,
        cell,
      },
    ),
    rect('frame', 'frame-line', { x: left, y: top, width: side, height: side }),
    ...(filter === undefined
      ? []
      : [
          rect('chosen-row', 'target', { x: left, y: top + filter * cell, width: side, height: cell }),
          rect('chosen-column', 'target', { x: left + filter * cell, y: top, width: cell, height: side }),
        ]),
    ...ticks.flatMap((i) => [
      words(`column-${i}`, 'label', [left + (i + 0.5) * cell, top - 6], name(i), { anchor: 'middle' }),
      words(`row-${i}`, 'label', [left - 6, top + (i + 0.5) * cell + 4], name(i), { anchor: 'end' }),
    ]),
    ...shadeScale('opposed', 'cell', { x: left + half, y: top + side + 12, width: -half }),
    ...shadeScale('angle', 'cell angle', { x: left + half, y: top + side + 12, width: half }),
    words('scale-from', 'label', [left, top + side + 32], `${short(90 + fullest)}°`),
    words('scale-middle', 'label', [left + half, top + side + 32], '90°', { anchor: 'middle' }),
    words('scale-to', 'label', [left + 2 * half, top + side + 32], `${short(90 - fullest)}°`, {
      anchor: 'end',
    }),
  ];
  return {
    width,
    height: top + side + 38,
    marks,
    cursor: {
      columns: filters,
      rows: filters,
      start: [0, filters - 1],
      locate: (x, y) => {
        const [column, row] = [Math.floor((x - left) / cell), Math.floor((y - top) / cell)];
        const inside = column >= 0 && row >= 0 && column < filters && row < filters;
        return inside ? [column, filters - 1 - row] : undefined;
      },
      stop: (column, up) => {
        const row = filters - 1 - up;
        return {
          at: [left + (column + 0.5) * cell, top + (row + 0.5) * cell],
          marks: [box('cursor', 'target', column, row)],
          readings: [
            { label: 'filters', value: `${row} and ${column}` },
            { label: 'angle', value: `${matrix[row * filters + column]!.toFixed(2)}°`, hue: 'angle' },
          ],
        };
      },
    },
  };
}

/** Angles between the filters of a layer as a heat map. */
export function matrixContent(
  inspection: Inspection,
  layer: LayerInspection,
  angles: FilterAngles,
  filter: number | undefined,
): ChartContent {
  const matrix = unpackAngles(angles);
  const { filters } = angles;
  const pairs = nearestPairs(matrix, filters);
  const [first] = pairs;
  const angle = ([i, j]: readonly [number, number]): number => matrix[i * filters + j]!;
  const table = (): DataTable => ({
    caption:
      pairs.length > mostPairs
        ? `The ${mostPairs} nearest of ${count(pairs.length)} pairs`
        : 'All pairs, the nearest first',
    columns: [{ label: 'filter' }, { label: 'filter' }, { label: 'angle', hue: 'angle' }],
    rows: pairs.slice(0, mostPairs).map((pair) => [
      { text: String(pair[0]), value: pair[0] },
      { text: String(pair[1]), value: pair[1] },
      { text: `${angle(pair).toFixed(2)}°`, value: angle(pair) },
    ]),
  });
  return {
    title: 'Angles between filters',
    summary: first
      ? `Nearest are filters ${first[0]} and ${first[1]}, at ${angle(first).toFixed(1)}°.`
      : 'There is one filter only.',
    legend: [
      {
        sign: 'dot',
        hue: 'angle',
        text: 'the fuller, the nearer two filters point; grey: more than 90° apart',
      },
    ],
    tables: () => [table()],
    source: `${sourceLine(inspection, layer)} (weights only)`,
    fileName: fileSafe(`${checkpointName(inspection.checkpoint)}-${layer.name}-filters`),
    draw: (width) => draw(matrix, filters, width, filter),
  };
}
