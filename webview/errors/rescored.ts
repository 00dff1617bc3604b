import type { ErrorAnalysis, Evidence } from '../../src/core/verdict/analysis.js';
import { decidingLayers } from '../../src/core/verdict/verdict.js';
import { axis, axisScale } from '../shared/chart/axis.js';
import type { ChartContent, Cursor, Picture, Reading } from '../shared/chart/content.js';
import { dot, type Mark, rect, rule, words } from '../shared/chart/marks.js';
import { fileSafe, inColumn, precise } from '../shared/format.js';
import type { DataTable } from '../shared/table.js';
import { sourceOf } from './content.js';

const rowHeight = 30;
const left = 76;

/** What each transplant makes of the error: the true class's margin before and after, layer by layer. */
export function rescoredContent(analysis: ErrorAnalysis, evidence: Evidence): ChartContent {
  const { index } = evidence;
  return {
    title: 'Re-scored with one factor exchanged',
    summary: `${evidence.layers
      .map(
        ({ name, norm, angle }) =>
          `${name}: with the donor’s magnitudes ${said(analysis, norm)}, with its angles ${said(analysis, angle)}`,
      )
      .join('; ')}. Arrow keys read the layers.`,
    legend: [
      { sign: 'hairline', hue: 'plain', text: 'the image as it is; right of 0 the true class wins' },
      { sign: 'dot', hue: 'norm', text: 'with the donor’s magnitudes' },
      { sign: 'dot', hue: 'angle', text: 'with the donor’s angles' },
    ],
    tables: () => [tableOf(analysis, evidence)],
    source: `${sourceOf(analysis)} › image ${index}`,
    fileName: fileSafe(`${analysis.run ?? analysis.data}-image-${index}-rescored`),
    draw: (width) => draw(analysis, evidence, width),
  };
}

type Rescored = Evidence['layers'][number]['norm'];

function said({ classNames }: ErrorAnalysis, rescored: Rescored): string {
  return rescored === undefined ? 'nothing, for want of a donor' : classNames[rescored.predicted]!;
}

function tableOf(analysis: ErrorAnalysis, { layers, margin }: Evidence): DataTable {
  const cells = (rescored: Rescored) => [
    rescored === undefined
      ? { text: '–', value: undefined }
      : { text: inColumn(rescored.margin), value: rescored.margin },
    { text: rescored === undefined ? '–' : said(analysis, rescored), value: rescored?.predicted },
  ];
  return {
    caption: 'Logit of the true class less the largest other, and the predicted class',
    columns: [
      { label: 'layer' },
      { label: 'as it is' },
      { label: 'donor’s magnitudes', hue: 'norm' },
      { label: 'taken for', words: true },
      { label: 'donor’s angles', hue: 'angle' },
      { label: 'taken for', words: true },
    ],
    rows: layers.map(({ name, norm, angle }) => [
      { text: name, value: name },
      { text: inColumn(margin), value: margin },
      ...cells(norm),
      ...cells(angle),
    ]),
  };
}

function draw(analysis: ErrorAnalysis, { layers, margin, label }: Evidence, width: number): Picture {
  const values = [0, margin, ...layers.flatMap(({ norm, angle }) => [norm?.margin ?? 0, angle?.margin ?? 0])];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = (high - low || 1) * 0.08;
  const scale = axisScale([low - pad, high + pad], [left, width - 12]);
  const bottom = 8 + layers.length * rowHeight;
  const deciding = decidingLayers(layers.length);
  const y = (row: number): number => 8 + (row + 0.5) * rowHeight;
  const marks: Mark[] = [
    // Where the true class wins: also told by the axis, so the shade is only a help.
    rect('right-side', 'right-side', { x: scale(0), y: 8, width: width - 12 - scale(0), height: bottom - 8 }),
    ...layers.flatMap(({ name, norm, angle }, row) => {
      const dots = [
        ['norm', norm, -4],
        ['angle', angle, 4],
      ] as const;
      return [
        words(`name-${name}`, row < deciding ? 'value' : 'label', [left - 10, y(row) + 4], name, {
          anchor: 'end',
        }),
        rule(`line-${name}`, 'grid', [left, y(row)], [width - 12, y(row)]),
        ...dots.flatMap(([hue, rescored, shift]) =>
          rescored === undefined
            ? []
            : [
                rule(
                  `${hue}-way-${name}`,
                  `way ${hue}`,
                  [scale(margin), y(row) + shift],
                  [scale(rescored.margin), y(row) + shift],
                ),
                dot(
                  `${hue}-${name}`,
                  hue,
                  [scale(rescored.margin), y(row) + shift],
                  rescored.predicted === label ? 5 : 3,
                ),
              ],
        ),
      ];
    }),
    rule('before', 'radius', [scale(margin), 8], [scale(margin), bottom]),
    rule('even', 'frame-line', [scale(0), 8], [scale(0), bottom]),
    rule('base', 'frame-line', [left, bottom], [width - 12, bottom]),
    ...axis({ key: 'margin', at: 'bottom', edge: bottom, scale, ticks: 5 }),
    words(
      'axis',
      'label',
      [(left + width - 12) / 2, bottom + 32],
      'logit of the true class − largest other',
      { anchor: 'middle' },
    ),
  ];
  const cursor: Cursor = {
    columns: 1,
    rows: layers.length,
    start: [0, layers.length - 1],
    locate: (_, at) => {
      const row = Math.floor((at - 8) / rowHeight);
      return row >= 0 && row < layers.length ? [0, layers.length - 1 - row] : undefined;
    },
    stop: (_, fromBottom) => {
      const row = layers.length - 1 - fromBottom;
      const { name, norm, angle } = layers[row]!;
      const reading = (what: string, rescored: Rescored, hue: 'norm' | 'angle'): Reading => ({
        label: what,
        value: rescored === undefined ? '–' : `${precise(rescored.margin)}, ${said(analysis, rescored)}`,
        hue,
      });
      return {
        at: [scale(margin), y(row)],
        marks: [
          rect('cursor-row', 'target', { x: left, y: y(row) - 13, width: width - 12 - left, height: 26 }),
        ],
        readings: [
          { label: 'layer', value: row < deciding ? `${name} (decides)` : name },
          { label: 'as it is', value: precise(margin) },
          reading('donor’s magnitudes', norm, 'norm'),
          reading('donor’s angles', angle, 'angle'),
        ],
      };
    },
  };
  return { width, height: bottom + 38, marks, cursor: layers.length > 0 ? cursor : undefined };
}
