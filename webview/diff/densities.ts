import type { BehaviourComparison, WeightComparison } from '../../src/core/comparison/comparison.js';
import type { Distribution, Histogram } from '../../src/core/statistics/inspection.js';
import { type AxisScale, areLogarithmic, axis, axisScale } from '../shared/chart/axis.js';
import type { ChartContent, Picture, Reading } from '../shared/chart/content.js';
import { type DensityBin, densityBins, densityOutline, shownMaximum } from '../shared/chart/density.js';
import { area, line, type Mark, rule, words } from '../shared/chart/marks.js';
import { count, fileSafe, percent, precise, short } from '../shared/format.js';
import type { Cell, DataTable } from '../shared/table.js';
import { sourceOf } from './content.js';

type Layer = BehaviourComparison['layers'][number];
type Kind = 'norm' | 'angle';

const plotHeight = 130;
/** Places along an axis that the cursor reads. */
const places = 61;

interface Strip {
  readonly kind: Kind;
  readonly scale: AxisScale;
  readonly top: number;
  readonly bottom: number;
}

/** `Wasserstein distance 0.31 (8.2 % of A’s median)`, or `3.4°`. */
function distanceWords(kind: Kind, { a, distance }: Layer[Kind]): string {
  if (distance === undefined) return 'no distance: a side has no values';
  if (kind === 'angle') return `Wasserstein distance ${short(distance)}°`;
  const relative = a.median > 0 ? ` (${percent(distance / a.median)} of A’s median)` : '';
  return `Wasserstein distance ${short(distance)}${relative}`;
}

function stripsOf(layer: Layer, width: number): readonly [Strip, Strip] {
  const edges = [...layer.norm.a.histogram.edges, ...layer.norm.b.histogram.edges];
  let [low, high] = [Math.min(...edges), Math.max(...edges)];
  const logarithmic =
    low > 0 && areLogarithmic(layer.norm.a.histogram.edges) && areLogarithmic(layer.norm.b.histogram.edges);
  if (!logarithmic && low < high * 0.4) low = 0;
  if (high <= low) high = low + 1;
  const beside = width >= 560;
  const half = beside ? (width - 32) / 2 : width - 16;
  const top = 30;
  const second = beside ? { left: half + 24, top } : { left: 8, top: top + plotHeight + 70 };
  return [
    {
      kind: 'norm',
      scale: axisScale([low, high], [8, 8 + half], logarithmic),
      top,
      bottom: top + plotHeight,
    },
    {
      kind: 'angle',
      scale: axisScale([0, 180], [second.left, second.left + half]),
      top: second.top,
      bottom: second.top + plotHeight,
    },
  ];
}

/** Heights of one density on the scale of both, so that areas compare. */
function rescaled(bins: readonly DensityBin[], scale: AxisScale, tallest: number): readonly DensityBin[] {
  return bins.map((bin) => {
    const height = density(bin, scale) / tallest;
    return { ...bin, height: Math.min(1, height), cut: height > 1 };
  });
}

/** Share for each pixel of axis. */
function density({ from, to, share }: DensityBin, scale: AxisScale): number {
  const width = Math.abs(scale(to) - scale(from));
  return width > 0 ? share / width : 0;
}

function stripMarks(layer: Layer, { kind, scale, top, bottom }: Strip): readonly Mark[] {
  const { a, b } = layer[kind];
  const bins = [a, b].map(({ histogram }) => densityBins(histogram, scale));
  const tallest =
    Math.max(
      ...bins.map((some) =>
        shownMaximum(
          some.map((bin) => density(bin, scale)),
          0.9,
          4,
        ),
      ),
    ) || 1;
  const [first, second] = bins.map((some) => rescaled(some, scale, tallest)) as [
    readonly DensityBin[],
    readonly DensityBin[],
  ];
  const rise = (height: number): number => bottom - height * (bottom - top - 4);
  const [left, right] = scale.range;
  const title =
    kind === 'norm' ? `‖x‖, patch norm${scale.logarithmic ? ' (log scale)' : ''}` : 'θ, angle to the filter';
  const highest = (bins: readonly DensityBin[]): number => Math.max(0, ...bins.map(({ share }) => share));
  const cut = [...first, ...second].some((bin) => bin.cut);
  const median = (key: 'a' | 'b', { median: value, count: n }: Distribution): readonly Mark[] =>
    n === 0
      ? []
      : [rule(`${kind}-median-${key}`, `median-${key}`, [scale(value), top], [scale(value), bottom])];
  return [
    area(`${kind}-a`, kind, densityOutline(first, scale, rise, 'x'), { y: bottom }),
    line(`${kind}-b`, `${kind} second`, densityOutline(second, scale, rise, 'x')),
    ...median('a', a),
    ...median('b', b),
    rule(`${kind}-base`, 'frame-line', [left, bottom], [right, bottom]),
    words(`${kind}-distance`, 'value', [left, top - 12], distanceWords(kind, layer[kind])),
    ...(cut
      ? [
          words(
            `${kind}-cut`,
            'label',
            [right, top + 10],
            `cut off: up to ${percent(Math.max(highest(first), highest(second)))} in one bin`,
            { anchor: 'end' },
          ),
        ]
      : []),
    ...axis({
      key: kind,
      at: 'bottom',
      edge: bottom,
      scale,
      ticks: kind === 'angle' ? [0, 45, 90, 135, 180] : Math.max(3, Math.floor((right - left) / 80)),
      ...(kind === 'angle' ? { format: (value: number) => `${value}°` } : {}),
    }),
    words(`${kind}-title`, 'value', [(left + right) / 2, bottom + 31], title, { anchor: 'middle' }),
  ];
}

/** The share of the values below x. */
function shareBelow({ edges, counts }: Histogram, x: number): number {
  const total = counts.reduce((sum, value) => sum + value, 0);
  if (total === 0) return 0;
  let below = 0;
  for (const [i, value] of counts.entries()) {
    const within = (x - edges[i]!) / (edges[i + 1]! - edges[i]!);
    below += value * Math.min(1, Math.max(0, within));
  }
  return below / total;
}

function draw(layer: Layer, width: number): Picture {
  const strips = stripsOf(layer, width);
  return {
    width,
    height: strips[1].bottom + 38,
    marks: strips.flatMap((strip) => stripMarks(layer, strip)),
    cursor: {
      columns: places,
      rows: 2,
      start: [Math.floor(places / 2), 1],
      locate: (x, y) => {
        const row = strips.findIndex(
          ({ scale, top, bottom }) => x >= scale.range[0] && x <= scale.range[1] && y >= top && y <= bottom,
        );
        const strip = strips[row];
        if (strip === undefined) return undefined;
        const [left, right] = strip.scale.range;
        return [Math.round(((x - left) / (right - left)) * (places - 1)), 1 - row];
      },
      stop: (column, row) => {
        const { kind, scale, top, bottom } = strips[1 - row]!;
        const [left, right] = scale.range;
        const x = left + ((right - left) * column) / (places - 1);
        const value = scale.invert(x);
        const below = (name: string, { histogram }: Distribution): Reading => ({
          label: `${name} below it`,
          value: percent(shareBelow(histogram, value)),
        });
        return {
          at: [x, (top + bottom) / 2],
          marks: [rule('cursor', 'crosshair', [x, top], [x, bottom])],
          readings: [
            {
              label: kind === 'norm' ? '‖x‖' : 'θ',
              value: kind === 'norm' ? precise(value) : `${precise(value)}°`,
              hue: kind,
            },
            below('A', layer[kind].a),
            below('B', layer[kind].b),
          ],
        };
      },
    },
  };
}

function statistics(layer: Layer): DataTable {
  const row = (name: string, key: 'mean' | 'deviation' | 'p05' | 'median' | 'p95' | 'count') => {
    const cell = (kind: Kind, side: 'a' | 'b'): Cell => {
      const value = layer[kind][side][key];
      if (key === 'count') return { text: count(value), value };
      return { text: kind === 'angle' ? `${value.toFixed(1)}°` : short(value), value };
    };
    return [
      { text: name, value: name },
      cell('norm', 'a'),
      cell('norm', 'b'),
      cell('angle', 'a'),
      cell('angle', 'b'),
    ];
  };
  const distance = (kind: Kind): Cell => {
    const { distance: value } = layer[kind];
    return value === undefined
      ? { text: '–', value: undefined }
      : { text: kind === 'angle' ? `${short(value)}°` : short(value), value };
  };
  const none: Cell = { text: '', value: undefined };
  return {
    caption: 'Norms over patches, angles over (patch, filter) pairs, both without ε',
    columns: [
      { label: '' },
      { label: '‖x‖ A', hue: 'norm' },
      { label: '‖x‖ B', hue: 'norm' },
      { label: 'θ A', hue: 'angle' },
      { label: 'θ B', hue: 'angle' },
    ],
    rows: [
      row('mean', 'mean'),
      row('standard deviation', 'deviation'),
      row('5th percentile', 'p05'),
      row('median', 'median'),
      row('95th percentile', 'p95'),
      row('values', 'count'),
      [{ text: 'Wasserstein distance', value: 'distance' }, distance('norm'), none, distance('angle'), none],
    ],
  };
}

/** Both densities of a layer, A filled and B dashed, with the distance between them. */
export function densitiesContent(
  weights: WeightComparison,
  behaviour: BehaviourComparison,
  layer: Layer,
): ChartContent {
  const name = layer.a === layer.b ? layer.a : `${layer.a} → ${layer.b}`;
  return {
    title: `${name}: what its inputs do`,
    summary: `Norms: ${distanceWords('norm', layer.norm)}. Angles: ${distanceWords('angle', layer.angle)}. Arrow keys read the curves.`,
    legend: [
      { sign: 'area', hue: 'norm', text: 'A: density of ‖x‖' },
      { sign: 'area', hue: 'norm', text: 'B: the same', second: true },
      { sign: 'area', hue: 'angle', text: 'A: density of θ' },
      { sign: 'area', hue: 'angle', text: 'B: the same', second: true },
      { sign: 'hairline', hue: 'plain', text: 'medians' },
    ],
    tables: () => [statistics(layer)],
    source: sourceOf(
      weights,
      `${behaviour.data} ${behaviour.split} split, n = ${count(behaviour.sampleSize)}`,
      name,
    ),
    fileName: fileSafe(`${weights.a.name}-${weights.b.name}-${layer.a}-densities`),
    draw: (width) => draw(layer, width),
  };
}
