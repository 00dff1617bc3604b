import type { Inspection, LayerInspection } from '../../src/core/statistics/inspection.js';
import {
  type Output,
  outputDistribution,
  outputRange,
  type VarianceShares,
  varianceShares,
} from '../../src/core/statistics/outputs.js';
import { axis, axisScale } from '../shared/chart/axis.js';
import type { ChartContent, Picture } from '../shared/chart/content.js';
import { binAt, densityBins, densityOutline, fullHeight } from '../shared/chart/density.js';
import { area, line, type Mark, rect, rule, words } from '../shared/chart/marks.js';
import { checkpointName, fileSafe, percent, precise, short } from '../shared/format.js';
import type { DataTable } from '../shared/table.js';
import { shortTrail, sourceLine } from './content.js';
import type { HeroSubject } from './hero.js';
import { readOperator } from './operator.js';

/** An output to be drawn: of the layer as it is, or of what it is compared with. */
interface Drawn {
  readonly name: string;
  readonly joint: LayerInspection['joint'];
  readonly output: Output;
  readonly shares: VarianceShares | undefined;
}

function drawn(name: string, layer: LayerInspection, filter?: number, radius?: number): Drawn {
  const { magnitude, angular } = readOperator(layer, filter, radius);
  const output: Output = (norm, degrees) => magnitude(norm) * angular(degrees);
  return { name, joint: layer.joint, output, shares: varianceShares(layer.joint, output) };
}

/** What is drawn: A, then the moved radius and B. */
function all({ layer, filter, second, movedRadius }: HeroSubject): readonly [Drawn, ...Drawn[]] {
  return [
    drawn('the output', layer, filter),
    ...(movedRadius === undefined ? [] : [drawn('the output with R moved', layer, filter, movedRadius)]),
    ...(second === undefined ? [] : [drawn('B', second)]),
  ];
}

const part = (share: number): string => (share < 0 ? `−${percent(-share)}` : percent(share));

function shareWords({ shares }: Drawn): string {
  if (shares === undefined) return 'the output does not vary';
  const { norm, angle, rest } = shares;
  const both =
    rest < 0
      ? `${percent(-rest)} is claimed by both, since they depend on each other`
      : `${part(rest)} is their interplay`;
  return `‖x‖ alone carries ${part(norm)} of its variance, θ alone ${part(angle)}; ${both}`;
}

/** The shares as a bar: norm, angle, and what is left; above it the same in words. */
function shareBar(key: string, of: Drawn, y: number, left: number, right: number): readonly Mark[] {
  const { name, shares } = of;
  if (shares === undefined) return [words(`${key}-none`, 'label', [left, y], `${name} does not vary`)];
  const { norm, angle, rest } = shares;
  const scale = (right - left) / Math.max(1, norm + angle);
  const [first, second] = [left + norm * scale, left + (norm + angle) * scale];
  const last = rest < 0 ? `in both ${percent(-rest)}` : `neither ${percent(rest)}`;
  const text = `Variance of ${name}: ‖x‖ ${percent(norm)}, θ ${percent(angle)}, ${last}`;
  return [
    words(`${key}-words`, 'value', [left, y], text),
    rect(`${key}-norm`, 'area norm', { x: left, y: y + 6, width: first - left, height: 12 }),
    rect(`${key}-angle`, 'area angle', { x: first, y: y + 6, width: second - first, height: 12 }),
    rect(`${key}-frame`, 'frame-line', { x: left, y: y + 6, width: right - left, height: 12 }),
  ];
}

/** From the bar to the next one. */
const barPitch = 40;

function drawOutput(outputs: readonly [Drawn, ...Drawn[]], width: number): Picture {
  const [left, right, top] = [52, width - 8, 10];
  const base = top + 110;
  const ranges = outputs.map(({ joint, output }) => outputRange(joint, output));
  const range: [number, number] = [
    Math.min(0, ...ranges.map(([from]) => from)),
    Math.max(...ranges.map(([, to]) => to), 1e-9),
  ];
  const scale = axisScale(range, [left, right]);
  const histograms = outputs.map(({ joint, output }) => outputDistribution(joint, output, range));
  const tallest = fullHeight(histograms, scale);
  const rise = (height: number): number => base - height * (base - top - 4);
  const bins = histograms.map((histogram) => densityBins(histogram, scale, tallest));
  const outlines = bins.map((of) => densityOutline(of, scale, rise, 'x'));
  const marks: Mark[] = [
    area('density', 'plain', outlines[0]!, { y: base }),
    ...outlines.slice(1).map((outline, i) => line(`other-${i}`, 'plain second', outline)),
    rule('zero', 'grid', [scale(0), top], [scale(0), base]),
    rule('base', 'frame-line', [left, base], [right, base]),
    ...axis({ key: 'output', at: 'bottom', edge: base, scale, ticks: Math.max(3, Math.floor(width / 90)) }),
    words('title', 'value', [(left + right) / 2, base + 31], 'output h(‖x‖)·g(θ)', { anchor: 'middle' }),
    ...outputs.flatMap((of, i) => shareBar(`share-${i}`, of, base + 56 + barPitch * i, 8, right)),
  ];
  const edges = histograms[0]!.edges;
  return {
    width,
    height: base + 40 + barPitch * outputs.length,
    marks,
    cursor: {
      columns: edges.length - 1,
      rows: 1,
      start: [binAt(edges, 0), 0],
      locate: (x, y) =>
        x >= left && x <= right && y >= top && y <= base ? [binAt(edges, scale.invert(x)), 0] : undefined,
      stop: (column) => {
        const [from, to] = [edges[column]!, edges[column + 1]!];
        const x = scale((from + to) / 2);
        return {
          at: [x, (top + base) / 2],
          marks: [rule('cursor', 'crosshair', [x, top], [x, base])],
          readings: [
            { label: 'output', value: `${precise(from)} to ${precise(to)}` },
            ...outputs.map(({ name }, i) => ({ label: name, value: percent(bins[i]![column]!.share) })),
          ],
        };
      },
    },
  };
}

function outputTable(outputs: readonly [Drawn, ...Drawn[]]): readonly DataTable[] {
  const ranges = outputs.map(({ joint, output }) => outputRange(joint, output));
  const range: [number, number] = [
    Math.min(0, ...ranges.map(([from]) => from)),
    Math.max(...ranges.map(([, to]) => to), 1e-9),
  ];
  const histograms = outputs.map(({ joint, output }) => outputDistribution(joint, output, range));
  const totals = histograms.map(({ counts }) =>
    Math.max(
      1e-9,
      counts.reduce((sum, value) => sum + value, 0),
    ),
  );
  const text = (value: string) => ({ text: value, value });
  return [
    {
      caption:
        'Shares of the output’s variance: Var(E[y | ‖x‖])/Var(y), Var(E[y | θ])/Var(y), and what is left',
      columns: [
        { label: 'of' },
        { label: '‖x‖', hue: 'norm' },
        { label: 'θ', hue: 'angle' },
        { label: 'neither' },
      ],
      rows: outputs.map(({ name, shares }) => [
        text(name),
        ...(shares
          ? [shares.norm, shares.angle, shares.rest].map((value) => ({ text: part(value), value }))
          : [text('–'), text('–'), text('–')]),
      ]),
    },
    {
      caption: 'Density of the output over pairs',
      columns: [{ label: 'from' }, { label: 'to' }, ...outputs.map(({ name }) => ({ label: name }))],
      rows: histograms[0]!.counts.map((_, i) => [
        { text: short(histograms[0]!.edges[i]!), value: histograms[0]!.edges[i] },
        { text: short(histograms[0]!.edges[i + 1]!), value: histograms[0]!.edges[i + 1] },
        ...histograms.map(({ counts }, of) => {
          const value = counts[i]! / totals[of]!;
          return { text: percent(value), value };
        }),
      ]),
    },
  ];
}

/** What the layer's output is, what it would be with another radius, and what each factor carries of it. */
export function outputContent(
  inspection: Inspection,
  subject: HeroSubject,
  second: Inspection | undefined,
): ChartContent {
  const outputs = all(subject);
  return {
    title: 'What comes out',
    summary: outputs.map((of) => `${of.name}: ${shareWords(of)}.`).join(' '),
    legend: [
      { sign: 'area', hue: 'plain', text: 'density of the output over pairs, with the curves above' },
      ...(subject.movedRadius === undefined
        ? []
        : [
            {
              sign: 'line',
              hue: 'plain',
              second: true,
              text: 'as it would be with the radius moved',
            } as const,
          ]),
      ...(second && subject.second
        ? [{ sign: 'line', hue: 'plain', second: true, text: `B: ${shortTrail(second)}` } as const]
        : []),
    ],
    tables: () => outputTable(outputs),
    source: sourceLine(inspection, subject.layer, second),
    fileName: fileSafe(`${checkpointName(inspection.checkpoint)}-${subject.layer.name}-output`),
    draw: (width) => drawOutput(outputs, width),
  };
}

/** The shares in a sentence. */
export function varianceWords(subject: HeroSubject): string {
  const [first] = all(subject);
  return `Of the output, ${shareWords(first)}.`;
}
