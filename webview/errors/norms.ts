import type { ErrorAnalysis } from '../../src/core/verdict/analysis.js';
import type { ErrorRow } from '../../src/core/verdict/confusion.js';
import { axis, axisScale } from '../shared/chart/axis.js';
import type { ChartContent, Cursor, Picture } from '../shared/chart/content.js';
import { type Mark, rect, rule, words } from '../shared/chart/marks.js';
import { count, fileSafe, inColumn, precise } from '../shared/format.js';
import { sourceOf } from './content.js';

const rowHeight = 34;
const top = 6;

/** The image's feature norm beside those of its true and its predicted class. */
export function normsContent(analysis: ErrorAnalysis, error: ErrorRow): ChartContent {
  const { featureNorms, classNames } = analysis;
  const lines = [
    ['true', error.label],
    ['predicted', error.predicted],
  ] as const;
  const ranges = lines.map(([role, label]) => ({
    role,
    name: classNames[label]!,
    range: featureNorms[label]!,
  }));
  const keys = ['minimum', 'p05', 'p25', 'median', 'p75', 'p95', 'maximum'] as const;
  return {
    title: 'Feature norm against the classes',
    summary: `The image’s is ${precise(error.featureNorm)}. Arrow keys read the classes.`,
    legend: [
      { sign: 'area', hue: 'norm', text: 'quartiles of the rightly classified, whiskers 5 to 95 %, median' },
      { sign: 'hairline', hue: 'plain', text: 'this image' },
    ],
    tables: () => [
      {
        caption: '‖x‖ of the penultimate features, rightly classified images',
        columns: [
          { label: 'class' },
          { label: 'images' },
          ...keys.map((label) => ({ label, hue: 'norm' as const })),
        ],
        rows: ranges.map(({ name, range }) => [
          { text: name, value: name },
          { text: count(range.count), value: range.count },
          ...keys.map((key) => ({ text: inColumn(range[key]), value: range[key] })),
        ]),
      },
    ],
    source: `${sourceOf(analysis)} › image ${error.index}`,
    fileName: fileSafe(`${analysis.run ?? analysis.data}-image-${error.index}-norm`),
    draw: (width) => draw(ranges, error.featureNorm, width),
  };
}

interface Line {
  readonly role: string;
  readonly name: string;
  readonly range: ErrorAnalysis['featureNorms'][number];
}

function draw(lines: readonly Line[], norm: number, width: number): Picture {
  const left = Math.min(130, width * 0.34);
  const known = lines.filter(({ range }) => range.count > 0);
  const values = [norm, ...known.flatMap(({ range }) => [range.p05, range.p95])];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = (high - low || 1) * 0.06;
  const scale = axisScale([Math.max(0, low - pad), high + pad], [left, width - 12]);
  const bottom = top + lines.length * rowHeight;
  const y = (row: number): number => top + (row + 0.5) * rowHeight;
  const marks: Mark[] = [
    ...lines.flatMap(({ role, name, range }, row) => [
      words(
        `name-${role}`,
        'value',
        [left - 8, y(row) + 4],
        `${role}: ${name.length > 9 ? `${name.slice(0, 8)}…` : name}`,
        { anchor: 'end' },
      ),
      ...(range.count === 0
        ? [words(`none-${role}`, 'label', [left + 4, y(row) + 4], 'none is classified rightly')]
        : [
            rule(`whisker-${role}`, 'frame-line', [scale(range.p05), y(row)], [scale(range.p95), y(row)]),
            rect(`box-${role}`, 'area norm', {
              x: scale(range.p25),
              y: y(row) - 7,
              width: scale(range.p75) - scale(range.p25),
              height: 14,
            }),
            rule(
              `median-${role}`,
              'filter-tick',
              [scale(range.median), y(row) - 7],
              [scale(range.median), y(row) + 7],
            ),
          ]),
    ]),
    rule('base', 'frame-line', [left, bottom], [width - 12, bottom]),
    ...axis({ key: 'norm', at: 'bottom', edge: bottom, scale, ticks: 4 }),
    rule('own', 'radius', [scale(norm), top], [scale(norm), bottom]),
    words('axis', 'label', [(left + width - 12) / 2, bottom + 30], '‖x‖ of the penultimate features', {
      anchor: 'middle',
    }),
  ];
  const cursor: Cursor = {
    columns: 1,
    rows: lines.length,
    start: [0, lines.length - 1],
    locate: (_, at) => {
      const row = Math.floor((at - top) / rowHeight);
      return row >= 0 && row < lines.length ? [0, lines.length - 1 - row] : undefined;
    },
    stop: (_, fromBottom) => {
      const row = lines.length - 1 - fromBottom;
      const { role, name, range } = lines[row]!;
      return {
        at: [scale(norm), y(row)],
        marks: [
          rect('cursor-row', 'target', { x: left - 2, y: y(row) - 15, width: width - 8 - left, height: 30 }),
        ],
        readings: [
          { label: `${role} class`, value: name },
          { label: 'this image', value: precise(norm), hue: 'norm' },
          { label: 'median', value: precise(range.median), hue: 'norm' },
          { label: '5 % to 95 %', value: `${precise(range.p05)} to ${precise(range.p95)}`, hue: 'norm' },
          { label: 'images', value: count(range.count) },
        ],
      };
    },
  };
  return { width, height: bottom + 36, marks, cursor };
}
