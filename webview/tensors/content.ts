import type { ListedTensor, TensorStatistics } from '../../src/protocol/panels/tensors.js';
import { axis, axisScale } from '../shared/chart/axis.js';
import type { ChartContent, Picture } from '../shared/chart/content.js';
import { densityBins, densityOutline } from '../shared/chart/density.js';
import { area, rect, rule, words } from '../shared/chart/marks.js';
import { baseName, count, fileSafe, percent, precise, short } from '../shared/format.js';

const units = ['bytes', 'KB', 'MB', 'GB', 'TB'] as const;

/** `68.2 MB`. */
export function size(bytes: number): string {
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${step === 0 ? count(bytes) : short(bytes / 1000 ** step)} ${units[step]}`;
}

/** `[3, 3, 16, 32]`, or what stands for none. */
export function shapeText(shape: readonly number[]): string {
  return shape.length === 0 ? 'scalar' : shape.join(' × ');
}

export function valuesOf({ shape }: ListedTensor): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** What was found in all values of a tensor. */
export function statisticsFacts(
  statistics: TensorStatistics,
): readonly (readonly [name: string, value: string])[] {
  const { count: all, zeros, notFinite, finite } = statistics;
  return [
    ['values', count(all)],
    ['zeros', `${count(zeros)} (${percent(all > 0 ? zeros / all : 0)})`],
    ['not finite', count(notFinite)],
    ...(finite === undefined
      ? []
      : ([
          ['least', precise(finite.minimum)],
          ['greatest', precise(finite.maximum)],
          ['mean', precise(finite.mean)],
          ['standard deviation', precise(finite.deviation)],
          ['‖·‖ of all values', precise(finite.norm)],
        ] as const)),
  ];
}

type Finite = NonNullable<TensorStatistics['finite']>;

const top = 12;
const bottom = 152;

function draw({ histogram }: Finite, width: number): Picture {
  const scale = axisScale([histogram.edges[0]!, histogram.edges.at(-1)!], [8, width - 8]);
  const bins = densityBins(histogram, scale);
  const rise = (height: number): number => bottom - height * (bottom - top);
  const cut = bins.filter((bin) => bin.cut);
  return {
    width,
    height: bottom + 22,
    marks: [
      area('density', 'plain', densityOutline(bins, scale, rise, 'x'), { y: bottom }),
      rule('base', 'frame-line', [8, bottom], [width - 8, bottom]),
      ...(cut.length > 0
        ? [
            words(
              'cut',
              'label',
              [width - 8, top + 10],
              `cut off: up to ${percent(Math.max(...cut.map(({ share }) => share)))} in one bin`,
              {
                anchor: 'end',
              },
            ),
          ]
        : []),
      ...axis({
        key: 'value',
        at: 'bottom',
        edge: bottom,
        scale,
        ticks: Math.max(3, Math.floor(width / 90)),
      }),
    ],
    cursor: {
      columns: bins.length,
      rows: 1,
      start: [Math.floor(bins.length / 2), 0],
      locate: (x, y) => {
        const column = Math.floor(((x - 8) / (width - 16)) * bins.length);
        return column >= 0 && column < bins.length && y <= bottom ? [column, 0] : undefined;
      },
      stop: (column) => {
        const { from, to, count: inBin, share } = bins[column]!;
        return {
          at: [(scale(from) + scale(to)) / 2, rise(bins[column]!.height)],
          marks: [
            rect('cursor-bin', 'target', {
              x: scale(from),
              y: top,
              width: scale(to) - scale(from),
              height: bottom - top,
            }),
          ],
          readings: [
            { label: 'value', value: `${precise(from)} to ${precise(to)}` },
            { label: 'values', value: `${count(inBin)} (${percent(share)})` },
          ],
        };
      },
    },
  };
}

/** How a tensor's values are spread. */
export function histogramContent(file: string, { name }: ListedTensor, finite: Finite): ChartContent {
  return {
    title: 'Its values',
    summary: `From ${short(finite.minimum)} to ${short(finite.maximum)}, mean ${short(finite.mean)}. Arrow keys read the bins.`,
    legend: [{ sign: 'area', hue: 'plain', text: 'density of the finite values' }],
    tables: () => [
      {
        caption: 'Values by bin',
        columns: [{ label: 'from' }, { label: 'to' }, { label: 'values' }],
        rows: finite.histogram.counts.map((value, i) => [
          { text: short(finite.histogram.edges[i]!), value: finite.histogram.edges[i] },
          { text: short(finite.histogram.edges[i + 1]!), value: finite.histogram.edges[i + 1] },
          { text: count(value), value },
        ]),
      },
    ],
    source: `${baseName(file)} › ${name}`,
    fileName: fileSafe(`${name}-values`),
    draw: (width) => draw(finite, width),
  };
}
