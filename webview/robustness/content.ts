import { attackTitle, normTitle } from '../../src/core/attack/attack.js';
import {
  effortTitle,
  goalTitle,
  type RobustnessCurve,
  type RobustnessMeasurement,
} from '../../src/core/attack/robustness.js';
import type { RobustnessReport } from '../../src/protocol/robustness.js';
import type { ChartContent } from '../shared/chart/content.js';
import { checkpointName, count, fileSafe, inColumn, percent, short } from '../shared/format.js';
import type { Cell, DataTable } from '../shared/table.js';
import { drawSeries, type Line } from './chart.js';

type Fact = readonly [name: string, value: string];

/** The page's title and what it comes down to, never more than was tried. */
export function headline({ measurement, checks }: RobustnessReport): readonly [string, ...string[]] {
  const { run, checkpoint, curves, epsilons, accuracy } = measurement;
  const name = [run, checkpointName(checkpoint)].filter(Boolean).join(' › ');
  const last = epsilons.length - 1;
  const own = curves.filter(({ access }) => access === 'white-box');
  const strongest = own.reduce((a, b) => (b.accuracies[last]! < a.accuracies[last]! ? b : a));
  const failed = checks.filter(({ status }) => status === 'failed').length;
  return [
    `Robustness of ${name}`,
    `Accuracy is ${percent(accuracy)} without attack, and ${percent(strongest.accuracies[last]!)} under ${attackTitle(strongest.attack)} at ε = ${short(epsilons[last]!)}.`,
    own.every(({ attack }) => attack === 'fgsm')
      ? 'Only FGSM was run: this report says nothing of robustness. Networks that withstand one step often fall to ten.'
      : failed > 0
        ? `${failed === 1 ? 'One check fails' : `${count(failed)} checks fail`} (below): these accuracies may be far above those under a better attack.`
        : 'No check fails that was made (below). A stronger attack may still leave less right.',
  ];
}

export function measurementFacts({ measurement, writtenAt }: RobustnessReport): readonly Fact[] {
  const { epoch, step, data, split, sampleSize, splitSize, backend, norm } = measurement;
  const { targeted, source, seed, adversarial, checkpointSha256 } = measurement;
  const { leftOut } = typeof targeted === 'object' ? targeted : { leftOut: 0 };
  return [
    ['checkpoint', `after epoch ${count(epoch)} and step ${count(step)}`],
    [
      'measured on',
      `${data}, ${split} split, the first ${count(sampleSize + leftOut)} of ${count(splitSize)} images${leftOut === 0 ? '' : ` less ${count(leftOut)}`}, ${backend}`,
    ],
    ['attacks', `${normTitle(norm)}, ${effortTitle(measurement)}, seed ${seed}`],
    ['goal', goalTitle(targeted)],
    ...(adversarial === undefined ? [] : [['adversarially trained', adversarial] as const]),
    ...(source === undefined
      ? []
      : [
          [
            'transferred from',
            `${[source.run, checkpointName(source.checkpoint)].filter(Boolean).join(', ')}, accuracy ${percent(source.accuracy)}`,
          ] as const,
        ]),
    ['report written', `${writtenAt.slice(0, 10)} ${writtenAt.slice(11, 16)} UTC`],
    ['checkpoint’s SHA-256', checkpointSha256],
  ];
}

const nameOf = ({ attack, access }: RobustnessCurve): string =>
  `${attackTitle(attack)}${access === 'transfer' ? ', transferred' : ''}`;
const share = (value: number): Cell => ({ text: percent(value), value });

/** A row for each attack, a column for each ε. */
export function accuracyTable({ epsilons, curves, noise, norm }: RobustnessMeasurement): DataTable {
  const word = (text: string): Cell => ({ text, value: text });
  return {
    caption: `Accuracy, by the largest perturbation in ${normTitle(norm)}, pixel values of 0 to 255`,
    columns: [{ label: 'attack' }, ...epsilons.map((epsilon) => ({ label: `ε = ${short(epsilon)}` }))],
    rows: [
      ...curves.flatMap((curve) => [
        [word(nameOf(curve)), ...curve.accuracies.map(share)],
        ...(curve.reached === undefined
          ? []
          : [[word(`${nameOf(curve)}: taken for the target`), ...curve.reached.map(share)]]),
      ]),
      [word('random noise'), ...noise.map(share)],
    ],
  };
}

/** Accuracy over ε. */
export function curveContent(measured: RobustnessMeasurement): ChartContent {
  const { epsilons, curves, noise, norm } = measured;
  const lines: Line[] = [
    ...curves.map((curve) => ({
      name: nameOf(curve),
      second: curve.access === 'transfer',
      values: curve.accuracies,
    })),
    { name: 'random noise', second: false, fine: true, values: noise },
  ];
  const last = epsilons.length - 1;
  return {
    title: 'How many images stay right under attack?',
    summary: `${lines.map(({ name, values }) => `${name}: ${percent(values[last]!)} at ε = ${short(epsilons[last]!)}`).join('; ')}. Left and right walk along ε.`,
    legend: [
      { sign: 'line', hue: 'plain', text: 'white box' },
      ...(curves.some(({ access }) => access === 'transfer')
        ? [{ sign: 'line', hue: 'plain', text: 'transferred', second: true } as const]
        : []),
    ],
    tables: () => [accuracyTable(measured)],
    source: sourceOf(measured),
    fileName: fileSafe(`${measured.run ?? measured.data}-robustness`),
    draw: (width) =>
      drawSeries(
        {
          lines,
          columns: epsilons,
          columnName: 'ε',
          axisTitle: `ε, ${normTitle(norm)}, pixel values of 0 to 255; evenly spaced`,
          domain: [0, 1],
          format: percent,
        },
        width,
      ),
  };
}

/** What the strongest attacks make large, by step, at the largest ε; undefined where only FGSM was run. */
export function lossContent(measured: RobustnessMeasurement): ChartContent | undefined {
  const { curves, epsilons, steps } = measured;
  const last = epsilons.length - 1;
  const lines: Line[] = curves
    .filter(({ attack, access }) => attack !== 'fgsm' && access === 'white-box')
    .map((curve) => ({ name: nameOf(curve), second: false, values: curve.objectives[last]! }));
  if (lines.length === 0) return undefined;
  const all = lines.flatMap(({ values }) => values);
  const columns = Array.from({ length: steps + 1 }, (_, i) => i);
  const quantity = measured.targeted
    ? 'Minus the loss of the target, mean over images'
    : 'Loss, mean over images';
  return {
    title: `Does each step do more? ${quantity}, ε = ${short(epsilons[last]!)}`,
    summary: `${lines.map(({ name, values }) => `${name}: from ${short(values[0]!)} to ${short(values.at(-1)!)}`).join('; ')}. Left and right walk along the steps.`,
    legend: [],
    tables: () => [
      {
        caption: quantity,
        columns: [{ label: 'step' }, ...lines.map(({ name }) => ({ label: name }))],
        rows: columns.map((step) => [
          { text: count(step), value: step },
          ...lines.map(({ values }) => ({ text: inColumn(values[step]!), value: values[step]! })),
        ]),
      },
    ],
    source: sourceOf(measured),
    fileName: fileSafe(`${measured.run ?? measured.data}-robustness-steps`),
    draw: (width) =>
      drawSeries(
        {
          lines,
          columns,
          columnName: 'step',
          axisTitle: 'step',
          domain: [Math.min(...all), Math.max(...all)],
          format: short,
        },
        width,
      ),
  };
}

function sourceOf({ run, checkpoint, data, split, sampleSize, norm }: RobustnessMeasurement): string {
  return `${[run, checkpointName(checkpoint)].filter(Boolean).join(' › ')} › ${data}, ${split} split, n = ${count(sampleSize)}, ${normTitle(norm)}`;
}
