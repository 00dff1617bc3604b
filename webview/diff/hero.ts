import type { Spread, WeightComparison } from '../../src/core/comparison/comparison.js';
import { type AxisScale, axis, axisScale } from '../shared/chart/axis.js';
import type { ChartContent, Cursor, Picture } from '../shared/chart/content.js';
import { type Mark, rect, roomFor, rule, words } from '../shared/chart/marks.js';
import { fileSafe, percent, precise, short } from '../shared/format.js';
import { layersTable, layerWords, sourceOf } from './content.js';
import type { ListedLayer } from './order.js';

const rowHeight = 24;
const barHeight = 12;
const top = 36;

interface Layout {
  readonly width: number;
  readonly left: number;
  readonly rescaling: AxisScale;
  readonly rotation: AxisScale;
  readonly bottom: number;
}

function layoutOf(listed: readonly ListedLayer[], width: number): Layout {
  const left = Math.min(width * 0.3, Math.max(48, ...listed.map(({ name }) => roomFor(name) + 10)));
  const middle = left + (width - left) / 2;
  const spreads = (which: 'rescaling' | 'rotation'): readonly Spread[] =>
    listed.flatMap(({ layer }) => layer?.[which] ?? []);
  const widest = Math.max(
    0.02,
    ...spreads('rescaling').flatMap(({ p05, p95 }) => [Math.abs(p05), Math.abs(p95)]),
  );
  const furthest = Math.max(1, ...spreads('rotation').map(({ p95 }) => p95));
  return {
    width,
    left,
    rescaling: axisScale([-widest * 1.05, widest * 1.05], [left, middle - 14]),
    rotation: axisScale([0, Math.min(180, furthest * 1.05)], [middle + 14, width - 12]),
    bottom: top + listed.length * rowHeight,
  };
}

function bar(
  key: string,
  hue: 'norm' | 'angle',
  { median, p05, p95 }: Spread,
  scale: AxisScale,
  y: number,
): readonly Mark[] {
  const [from, to] = [scale(Math.min(0, median)), scale(Math.max(0, median))];
  const middle = y + rowHeight / 2;
  return [
    rect(`${key}-bar`, `area ${hue} bar`, {
      x: from,
      y: middle - barHeight / 2,
      width: Math.max(1, to - from),
      height: barHeight,
    }),
    rule(`${key}-spread`, 'whisker', [scale(p05), middle], [scale(p95), middle]),
    rule(`${key}-low`, 'whisker', [scale(p05), middle - 3], [scale(p05), middle + 3]),
    rule(`${key}-high`, 'whisker', [scale(p95), middle - 3], [scale(p95), middle + 3]),
  ];
}

function rowMarks({ key, name, layer, reason }: ListedLayer, layout: Layout, y: number): readonly Mark[] {
  const { left, rescaling, rotation } = layout;
  const middle = y + rowHeight / 2 + 4;
  const letters = Math.max(3, Math.floor((left - 8) / 7));
  const label = name.length > letters ? `${name.slice(0, letters - 1)}…` : name;
  return [
    words(`${key}-name`, 'value', [left - 8, middle], label, { anchor: 'end' }),
    ...(layer?.rotation
      ? [rescaling, rotation].map((scale, i) =>
          rule(`${key}-zero-${i}`, 'frame-line', [scale(0), y], [scale(0), y + rowHeight]),
        )
      : []),
    ...(layer?.rescaling ? bar(`${key}-rescaling`, 'norm', layer.rescaling, rescaling, y) : []),
    ...(layer?.rotation ? bar(`${key}-rotation`, 'angle', layer.rotation, rotation, y) : []),
    ...(reason === undefined || layer?.rotation
      ? []
      : [words(`${key}-reason`, 'label', [left + 4, middle], shortened(reason, layout.width - left - 8))]),
  ];
}

function shortened(text: string, room: number): string {
  const letters = Math.floor(room / 6);
  return text.length > letters ? `${text.slice(0, letters - 1)}…` : text;
}

/** Reads the bars: ← → between rescaling and rotation, ↑ ↓ from layer to layer. */
function barCursor(listed: readonly ListedLayer[], { left, width, rescaling, rotation }: Layout): Cursor {
  const last = listed.length - 1;
  return {
    columns: 2,
    rows: listed.length,
    start: [0, last],
    locate: (x, y) => {
      const row = Math.floor((y - top) / rowHeight);
      return row < 0 || row > last ? undefined : [x < rotation.range[0] - 14 ? 0 : 1, last - row];
    },
    stop: (column, fromBottom) => {
      const row = last - fromBottom;
      const { name, layer, reason } = listed[row]!;
      const scale = column === 0 ? rescaling : rotation;
      const spread = column === 0 ? layer?.rescaling : layer?.rotation;
      const y = top + row * rowHeight;
      const hue = column === 0 ? 'norm' : 'angle';
      const unit = column === 0 ? '' : '°';
      return {
        at: [spread ? scale(spread.median) : left, y + rowHeight / 2],
        marks: [rect('cursor-row', 'target', { x: 1, y: y + 1, width: width - 2, height: rowHeight - 2 })],
        readings: [
          { label: 'layer', value: name },
          ...(spread === undefined
            ? [{ label: 'not compared', value: reason ?? 'nothing to compare' }]
            : [
                {
                  label: column === 0 ? 'Δ ln ‖w‖, median' : 'rotation, median',
                  value: `${precise(spread.median)}${unit}`,
                  hue,
                } as const,
                ...(column === 0
                  ? [{ label: 'factor on ‖w‖', value: precise(Math.exp(spread.median)) }]
                  : []),
                {
                  label: '5th to 95th percentile',
                  value: `${precise(spread.p05)}${unit} to ${precise(spread.p95)}${unit}`,
                },
                ...(layer?.movement === undefined
                  ? []
                  : [{ label: 'moved', value: percent(layer.movement) }]),
              ]),
        ],
      };
    },
  };
}

function draw(listed: readonly ListedLayer[], selected: string | undefined, width: number): Picture {
  const layout = layoutOf(listed, width);
  const { rescaling, rotation, bottom, left } = layout;
  const narrow = width < 480;
  const ticks = narrow ? 3 : 5;
  const chosen = listed.findIndex(({ key }) => key === selected);
  const marks: Mark[] = [
    ...(chosen < 0
      ? []
      : [rect('chosen', 'chosen-row', { x: 0, y: top + chosen * rowHeight, width, height: rowHeight })]),
    ...listed.flatMap((_, i) =>
      i === 0 ? [] : [rule(`row-${i}`, 'grid', [left, top + i * rowHeight], [width, top + i * rowHeight])],
    ),
    ...listed.flatMap((row, i) => rowMarks(row, layout, top + i * rowHeight)),
    words(
      'rescaling-title',
      'value',
      [(rescaling.range[0] + rescaling.range[1]) / 2, 12],
      narrow ? 'Δ ln ‖w‖' : 'rescaling, Δ ln ‖w‖',
      {
        anchor: 'middle',
      },
    ),
    words(
      'rotation-title',
      'value',
      [(rotation.range[0] + rotation.range[1]) / 2, 12],
      narrow ? 'rotation' : 'rotation, angle of A to B',
      {
        anchor: 'middle',
      },
    ),
    ...axis({
      key: 'rescaling',
      at: 'top',
      edge: top - 2,
      scale: rescaling,
      ticks,
      format: (value) => (value > 0 ? `+${short(value)}` : short(value)),
    }),
    ...axis({
      key: 'rotation',
      at: 'top',
      edge: top - 2,
      scale: rotation,
      ticks,
      format: (value) => `${short(value)}°`,
    }),
  ];
  return {
    width,
    height: bottom + 4,
    marks,
    cursor: listed.length > 0 ? barCursor(listed, layout) : undefined,
  };
}

/** The hero: per layer a bar pair, rescaling and rotation. */
export function heroContent(
  weights: WeightComparison,
  listed: readonly ListedLayer[],
  selected: string | undefined,
): ChartContent {
  const most = listed.find(({ layer }) => layer?.movement !== undefined);
  return {
    title: 'What moved',
    summary: [
      `${weights.layers.length} layers compared.`,
      ...(most?.layer ? [`First ${most.name}: ${layerWords(most.layer)}.`] : []),
      'Arrow keys read the bars.',
    ].join(' '),
    legend: [
      {
        sign: 'area',
        hue: 'norm',
        text: 'rescaling: median of Δ ln ‖w‖ over the filters (+0.69 is doubled)',
      },
      { sign: 'area', hue: 'angle', text: 'rotation: median angle between a filter of A and its match in B' },
      { sign: 'level', hue: 'plain', text: '5th to 95th percentile' },
    ],
    tables: () => [layersTable(listed.flatMap(({ layer }) => layer ?? []))],
    source: sourceOf(weights, 'weights'),
    fileName: fileSafe(`${weights.a.name}-${weights.b.name}-moved`),
    draw: (width) => draw(listed, selected, width),
  };
}
