import type { ErrorAnalysis, Evidence } from '../../src/core/verdict/analysis.js';
import { axis, axisScale } from '../shared/chart/axis.js';
import type { ChartContent, Cursor, Picture } from '../shared/chart/content.js';
import { dot, line, type Mark, type Point, rule, words } from '../shared/chart/marks.js';
import { fileSafe, inColumn, precise, short } from '../shared/format.js';
import type { Cell } from '../shared/table.js';
import { sourceOf } from './content.js';

type Layer = Evidence['layers'][number];
type Traced = Layer['h'];

/** What there was nothing to average for. */
const isMissing = (value: number): boolean => value < 0;

const factors = [
  { key: 'h', hue: 'norm', words: 'mean h' },
  { key: 'g', hue: 'angle', words: 'mean |g|' },
] as const;

/** Mean h and mean |g| of the image, its donor and its class through the layers, as parts of the class's mean. */
export function traceContent(analysis: ErrorAnalysis, evidence: Evidence): ChartContent {
  const { layers, index, label } = evidence;
  const name = analysis.classNames[label]!;
  return {
    title: 'The two factors through the layers',
    summary: `Mean h and mean |g| over positions and filters, as parts of the mean over rightly classified images of ${name}. Arrow keys read the layers.`,
    legend: [
      { sign: 'line', hue: 'norm', text: 'mean h of the image' },
      { sign: 'line', hue: 'angle', text: 'mean |g| of the image' },
      { sign: 'line', hue: 'plain', second: true, text: 'of its donor' },
      { sign: 'level', hue: 'plain', text: `mean of ${name}, rightly classified` },
    ],
    tables: () => [
      {
        caption: 'Mean h and mean |g| over positions and filters',
        columns: [
          { label: 'layer' },
          ...factors.flatMap(({ hue, words }) => [
            { label: `${words}: image`, hue },
            { label: 'donor' },
            { label: 'class mean' },
          ]),
        ],
        rows: layers.map((layer) => [
          { text: layer.name, value: layer.name },
          ...factors.flatMap(({ key }) => [
            cell(layer[key].image),
            cell(layer[key].donor),
            cell(layer[key].classMean),
          ]),
        ]),
      },
    ],
    source: `${sourceOf(analysis)} › image ${index}`,
    fileName: fileSafe(`${analysis.run ?? analysis.data}-image-${index}-trace`),
    draw: (width) => draw(layers, width),
  };
}

function cell(value: number): Cell {
  return isMissing(value) ? { text: '–', value: undefined } : { text: inColumn(value), value };
}

/** As part of the class's mean; of the image's own value where there is none. */
function ratio({ image, classMean }: Traced, value: number): number | undefined {
  const base = classMean > 0 ? classMean : image;
  return isMissing(value) || base <= 0 ? undefined : value / base;
}

function draw(layers: readonly Layer[], width: number): Picture {
  const [left, right, top] = [46, width - 12, 22];
  const gap = 26;
  const panel = 92;
  const x = (i: number): number =>
    layers.length === 1 ? (left + right) / 2 : left + 14 + ((right - left - 28) * i) / (layers.length - 1);
  const marks: Mark[] = [];
  const height = top + 2 * panel + gap + 24;
  factors.forEach(({ key, hue, words: what }, at) => {
    const from = top + at * (panel + gap);
    const ratios = layers.flatMap((layer) =>
      [layer[key].image, layer[key].donor]
        .map((value) => ratio(layer[key], value))
        .filter((value) => value !== undefined),
    );
    const [low, high] = [Math.min(0.9, ...ratios), Math.max(1.1, ...ratios)];
    const pad = (high - low) * 0.08;
    const y = axisScale([low - pad, high + pad], [from + panel, from]);
    const along = (pick: (traced: Traced) => number): Point[] =>
      layers.flatMap((layer, i): Point[] => {
        const value = ratio(layer[key], pick(layer[key]));
        return value === undefined ? [] : [[x(i), y(value)]];
      });
    const own = along(({ image }) => image);
    marks.push(
      words(`${key}-title`, 'label', [left, from - 6], `${what} ÷ class mean`),
      rule(`${key}-base`, 'frame-line', [left, from + panel], [right, from + panel]),
      rule(`${key}-one`, 'radius', [left, y(1)], [right, y(1)]),
      ...axis({ key: `${key}-axis`, at: 'left', edge: left, scale: y, ticks: 3, format: short }),
      line(
        `${key}-donor`,
        `${hue} second`,
        along(({ donor }) => donor),
      ),
      line(`${key}-image`, hue, own),
      ...own.map((point, i) => dot(`${key}-dot-${i}`, hue, point, 3.5)),
    );
  });
  const foot = top + 2 * panel + gap;
  const every = Math.max(1, Math.ceil((layers.length * 48) / (right - left)));
  marks.push(
    ...layers.flatMap(({ name }, i) =>
      i % every === 0 ? [words(`name-${i}`, 'label', [x(i), foot + 18], name, { anchor: 'middle' })] : [],
    ),
  );
  const cursor: Cursor = {
    columns: layers.length,
    rows: 1,
    start: [0, 0],
    locate: (at) => {
      const distances = layers.map((_, i) => Math.abs(x(i) - at));
      return [distances.indexOf(Math.min(...distances)), 0];
    },
    stop: (column) => {
      const layer = layers[column]!;
      const value = (part: number): string => (isMissing(part) ? '–' : precise(part));
      return {
        at: [x(column), top],
        marks: [rule('cursor', 'crosshair', [x(column), top], [x(column), foot])],
        readings: [
          { label: 'layer', value: layer.name },
          ...factors.flatMap(({ key, hue, words: what }) => [
            { label: `${what}, image`, value: value(layer[key].image), hue },
            { label: `${what}, donor`, value: value(layer[key].donor), hue },
            { label: `${what}, class`, value: value(layer[key].classMean), hue },
          ]),
        ],
      };
    },
  };
  return { width, height, marks, cursor: layers.length > 0 ? cursor : undefined };
}
