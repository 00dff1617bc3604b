import type { Inspection, LayerInspection } from '../../src/core/statistics/inspection.js';
import type { ChartContent, LegendItem } from '../shared/chart/content.js';
import { baseName, checkpointName, count, fileSafe, inColumn, percent, short } from '../shared/format.js';
import type { Cell, DataTable } from '../shared/table.js';
import { drawHero, type HeroSubject } from './hero.js';
import { measuredRegimes, radiusWords, readOperator } from './operator.js';

const number = (value: number): Cell => ({ text: inColumn(value), value });
const unknown: Cell = { text: '–', value: undefined };
const whole = (value: number): Cell => ({ text: count(value), value });
const share = (value: number): Cell => ({ text: percent(value), value });
const degrees = (value: number): Cell => ({ text: `${value.toFixed(1)}°`, value });
const edge = (value: number, unit = ''): Cell => ({ text: `${short(value)}${unit}`, value });

/** `, class shirt, wrong ones`; nothing where all images count. */
function selectionWords({ selection, classes }: Inspection): string {
  const { label, outcome } = selection ?? {};
  const parts = [
    label === undefined ? undefined : `class ${classes[label]?.name ?? label}`,
    outcome && `${outcome} ones only`,
  ];
  return parts.map((part) => (part ? `, ${part}` : '')).join('');
}

/** The header's trail: run ▸ checkpoint ▸ split · n · backend · accuracy. */
export function trail(inspection: Inspection): readonly string[] {
  return [
    inspection.run === undefined ? inspection.data : baseName(inspection.run),
    checkpointName(inspection.checkpoint),
    `${inspection.split} split${selectionWords(inspection)} · n = ${count(inspection.sampleSize)} · ${inspection.backend} · accuracy ${percent(inspection.accuracy)}`,
  ];
}

function legend(layer: LayerInspection, filter: number | undefined): readonly LegendItem[] {
  const operator = readOperator(layer, filter);
  const whose = filter === undefined ? '' : `, filter ${filter}`;
  const parameters = (name: string, value: number | undefined): string => {
    if (value === undefined) return '';
    return filter === undefined && layer.filters > 1
      ? ` at mean ${name} = ${inColumn(value)}`
      : ` at ${name} = ${inColumn(value)}${whose}`;
  };
  return [
    { sign: 'heat', hue: 'plain', text: 'joint density of (patch, filter) pairs, square-root shading' },
    { sign: 'area', hue: 'norm', text: 'density of ‖x‖ over patches' },
    {
      sign: 'line',
      hue: 'norm',
      text: `h(‖x‖)${parameters('R', operator.radius)}${parameters('‖w‖', operator.weightNorm)}`,
    },
    { sign: 'area', hue: 'angle', text: 'density of θ over pairs' },
    { sign: 'line', hue: 'angle', text: `g(θ)${parameters('k', operator.k)}` },
    ...(operator.radius === undefined
      ? []
      : [
          {
            sign: 'hairline',
            hue: 'plain',
            text: `${radiusWords(layer)}; band and ticks: each filter’s`,
          } as const,
        ]),
  ];
}

function summary(layer: LayerInspection): string {
  const { norm, angle } = layer;
  if (layer.patches === 0) return 'No patch was strong enough to measure.';
  const beyond = measuredRegimes(layer).find(({ name }) => name === 'beyond the radius');
  return [
    `Norms: median ${short(norm.median)}, 90 % between ${short(norm.p05)} and ${short(norm.p95)}.`,
    `Angles: median ${short(angle.median)}°, 90 % between ${short(angle.p05)}° and ${short(angle.p95)}°.`,
    beyond ? `${percent(beyond.share)} of the pairs lie beyond the radius.` : 'The operator has no radius.',
    'Arrow keys read the cells.',
  ].join(' ');
}

/** Put neighbouring bins together until at most `most` are left. */
function grouped(edges: readonly number[], most: number): readonly (readonly [first: number, end: number])[] {
  const bins = edges.length - 1;
  const size = Math.max(1, Math.ceil(bins / most));
  return Array.from({ length: Math.ceil(bins / size) }, (_, i) => [i * size, Math.min(bins, (i + 1) * size)]);
}

function jointTable(layer: LayerInspection): DataTable {
  const { normEdges, angleEdges, counts } = layer.joint;
  const rows = angleEdges.length - 1;
  const columns = grouped(normEdges, 8);
  const lines = grouped(angleEdges, 12);
  const inside = (column: readonly [number, number], row: readonly [number, number]): number => {
    let total = 0;
    for (let i = column[0]; i < column[1]; i++)
      for (let j = row[0]; j < row[1]; j++) total += counts[i * rows + j]!;
    return total;
  };
  return {
    caption: 'Pairs by angle (rows) and norm (columns, from that ‖x‖ on), neighbouring bins put together',
    columns: [
      { label: 'θ', hue: 'angle' },
      ...columns.map(([first]) => ({ label: short(normEdges[first]!), hue: 'norm' as const })),
    ],
    rows: lines.map((row) => [
      { text: `${short(angleEdges[row[0]]!)}° to ${short(angleEdges[row[1]]!)}°`, value: angleEdges[row[0]] },
      ...columns.map((column) => whole(inside(column, row))),
    ]),
  };
}

function heroTables(layer: LayerInspection, filter: number | undefined): readonly DataTable[] {
  const operator = readOperator(layer, filter);
  const bins = (kind: 'norm' | 'angle'): DataTable['rows'] => {
    const { edges, counts } = layer[kind].histogram;
    const total = counts.reduce((sum, value) => sum + value, 0);
    const curve = kind === 'norm' ? operator.magnitude : operator.angular;
    const unit = kind === 'norm' ? '' : '°';
    return counts.map((value, i) => {
      const [from, to] = [edges[i]!, edges[i + 1]!];
      return [
        edge(from, unit),
        edge(to, unit),
        whole(value),
        share(total > 0 ? value / total : 0),
        number(curve((from + to) / 2)),
      ];
    });
  };
  return [
    {
      caption: 'Density of ‖x‖ over patches, and h at each bin’s middle',
      columns: [
        { label: '‖x‖ from', hue: 'norm' },
        { label: 'to' },
        { label: 'patches' },
        { label: 'share' },
        { label: 'h' },
      ],
      rows: bins('norm'),
    },
    {
      caption: 'Density of θ over (patch, filter) pairs, and g at each bin’s middle',
      columns: [
        { label: 'θ from', hue: 'angle' },
        { label: 'to' },
        { label: 'pairs' },
        { label: 'share' },
        { label: 'g' },
      ],
      rows: bins('angle'),
    },
    jointTable(layer),
  ];
}

/** The hero as a chart. @param second the inspection compared with */
export function heroContent(
  inspection: Inspection,
  subject: HeroSubject,
  second: Inspection | undefined,
): ChartContent {
  const { layer, filter } = subject;
  return {
    title: `${layer.name}: ${readOperator(layer, filter).name}`,
    summary: subject.second ? `${summary(layer)} B: ${summary(subject.second)}` : summary(layer),
    legend: [...legend(layer, filter), ...secondLegend(subject, second)],
    tables: () => [
      ...heroTables(layer, filter),
      ...(subject.second ? heroTables(subject.second, undefined).map(ofSecond) : []),
    ],
    source: sourceLine(inspection, layer, second),
    fileName: fileSafe(`${checkpointName(inspection.checkpoint)}-${layer.name}`),
    draw: (width) => drawHero(subject, width),
  };
}

function secondLegend(
  { second: layer, movedRadius }: HeroSubject,
  second: Inspection | undefined,
): readonly LegendItem[] {
  return [
    ...(movedRadius === undefined
      ? []
      : [
          {
            sign: 'line',
            hue: 'norm',
            second: true,
            text: `h with the radius moved to ${inColumn(movedRadius)}`,
          } as const,
        ]),
    ...(second === undefined
      ? []
      : [
          {
            sign: 'line',
            hue: 'plain',
            second: true,
            text: layer
              ? `B: ${shortTrail(second)}, its densities, h and g, and where 80 % of its pairs lie`
              : `B: ${shortTrail(second)} has no layer of this name`,
          } as const,
        ]),
  ];
}

function ofSecond(table: DataTable): DataTable {
  return { ...table, caption: `B: ${table.caption}` };
}

/** Run and checkpoint in a few words. */
export function shortTrail({ run, checkpoint, sampleSize }: Inspection): string {
  const place = [run === undefined ? undefined : baseName(run), checkpointName(checkpoint)];
  return `${place.filter((part) => part).join(' ')}, n = ${count(sampleSize)}`;
}

/** What a chart of one layer is of. */
export function sourceLine(
  inspection: Inspection,
  layer: LayerInspection,
  second?: Inspection | undefined,
): string {
  const first = [...trail(inspection), layer.name].join(' › ');
  return second === undefined ? first : `${first}; B: ${shortTrail(second)}`;
}

/** Mean, deviation and percentiles of norm and angle, of B beside. */
export function statisticsTable(layer: LayerInspection, second?: LayerInspection): DataTable {
  const row = (
    name: string,
    key: 'mean' | 'deviation' | 'minimum' | 'p05' | 'median' | 'p95' | 'maximum',
  ) => [
    { text: name, value: name },
    ...shown.map(({ norm }) => (norm.count > 0 ? number(norm[key]) : unknown)),
    ...shown.map(({ angle }) => (angle.count > 0 ? degrees(angle[key]) : unknown)),
  ];
  const shown = second === undefined ? [layer] : [layer, second];
  const heads = (label: string, hue: 'norm' | 'angle') =>
    shown.map((_, i) => ({ label: i === 0 ? label : `${label} B`, hue }));
  return {
    caption: '‖x‖ over patches, θ over pairs, without ε',
    columns: [{ label: '' }, ...heads('‖x‖', 'norm'), ...heads('θ', 'angle')],
    rows: [
      row('mean', 'mean'),
      row('standard deviation', 'deviation'),
      row('least', 'minimum'),
      row('5th percentile', 'p05'),
      row('median', 'median'),
      row('95th percentile', 'p95'),
      row('greatest', 'maximum'),
    ],
  };
}

/** One row a filter; those whose number or angle does not fit the search are left out by `rows`. */
export function filterTable(layer: LayerInspection, rows: readonly number[]): DataTable {
  const parts: readonly {
    readonly label: string;
    readonly values: readonly number[];
    readonly hue?: 'norm' | 'angle';
    readonly cell: (value: number) => Cell;
  }[] = [
    { label: '‖w‖', values: layer.weightNorms, cell: number },
    ...(layer.rho ? [{ label: 'ρ', values: layer.rho, hue: 'norm', cell: number } as const] : []),
    ...(layer.radius ? [{ label: 'R', values: layer.radius, hue: 'norm', cell: number } as const] : []),
    ...(layer.k ? [{ label: 'k', values: layer.k, hue: 'angle', cell: number } as const] : []),
    { label: 'dead', values: layer.deadShares, cell: share },
    { label: 'mean response', values: layer.meanResponses, cell: number },
    { label: 'mean θ', values: layer.meanAngles, hue: 'angle', cell: degrees },
    ...(layer.nearestAngles.length > 0
      ? [{ label: 'to nearest', values: layer.nearestAngles, hue: 'angle', cell: degrees } as const]
      : []),
  ];
  return {
    caption: 'Choose a filter to draw h and g with its own parameters, and its maps over an image',
    columns: [{ label: 'filter' }, ...parts.map(({ label, hue }) => (hue ? { label, hue } : { label }))],
    rows: rows.map((filter) => [
      { text: String(filter), value: filter },
      ...parts.map(({ values, cell }): Cell => {
        const value = values[filter];
        return value === undefined ? { text: '', value: undefined } : cell(value);
      }),
    ]),
  };
}

/** What was counted and what was left out. */
export function countFacts(layer: LayerInspection): readonly (readonly [name: string, value: string])[] {
  const { patches, weakPatches, floor, filters } = layer;
  const all = patches + weakPatches;
  return [
    ['input', layer.inputShape.join(' × ')],
    ['output', layer.outputShape.join(' × ')],
    ['patches measured', count(patches)],
    [
      'left out as weak',
      `${count(weakPatches)} (${percent(all > 0 ? weakPatches / all : 0)}), ‖x‖ under ${short(floor)}`,
    ],
    ['filters', count(filters)],
  ];
}
