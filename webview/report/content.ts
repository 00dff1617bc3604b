import type { LayerInspection } from '../../src/core/statistics/inspection.js';
import type { Report } from '../../src/protocol/report.js';
import { measuredRegimes, readOperator } from '../layer/operator.js';
import { baseName, checkpointName, count, inColumn, percent } from '../shared/format.js';
import type { Cell, DataTable } from '../shared/table.js';

type Fact = readonly [name: string, value: string];

/** Where every number of the report comes from. */
export function reportFacts(report: Report): readonly Fact[] {
  const { inspection, environment, parameters, dataSha256, classNames } = report;
  const { run, checkpoint, checkpointSha256, epoch, step, data, split, sampleSize, backend } = inspection;
  const total = parameters.reduce((sum, layer) => sum + layer.count, 0);
  return [
    ...(run === undefined ? [] : [['run', baseName(run)] as const]),
    ['checkpoint', `${checkpointName(checkpoint)}, after epoch ${count(epoch)} and step ${count(step)}`],
    ['data', `${data}, ${count(classNames.length)} classes`],
    ['measured on', `the ${split} split, n = ${count(sampleSize)} images, ${backend}`],
    ['accuracy', percent(inspection.accuracy)],
    ['parameters', count(total)],
    ...(environment === undefined
      ? []
      : ([
          ['trained', `${time(environment.startedAt)}, seed ${environment.seed}`],
          ['trained on', `${environment.backend} ${environment.backendVersion}, ${environment.device}`],
        ] as const)),
    ['report written', time(report.writtenAt)],
    ['checkpoint’s SHA-256', checkpointSha256],
    ['data’s SHA-256', dataSha256],
  ];
}

/** `2026-11-24 08:14 UTC`. */
function time(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}

/** A row for each layer. */
export function overviewTable({ inspection, parameters }: Report): DataTable {
  const { layers } = inspection;
  const names = [...new Set(layers.flatMap((layer) => measuredRegimes(layer).map(({ name }) => name)))];
  return {
    caption: 'Every layer with filters: medians over its patches and pairs, and shares of the pairs',
    columns: [
      { label: 'layer' },
      { label: 'operator', words: true },
      { label: 'output', words: true },
      { label: 'parameters' },
      { label: 'median ‖x‖', hue: 'norm' },
      { label: 'median θ', hue: 'angle' },
      ...names.map((label) => ({ label, hue: 'norm' as const })),
    ],
    rows: layers.map((layer) => [
      word(layer.name),
      word(layer.operator === 'inner-product' ? 'inner product' : readOperator(layer).name),
      word(layer.outputShape.join('×')),
      whole(parameters.find((counted) => counted.layer === layer.name)?.count),
      measured(layer, layer.norm.median, inColumn),
      measured(layer, layer.angle.median, (degrees) => `${degrees.toFixed(1)}°`),
      ...names.map((name) =>
        measured(layer, measuredRegimes(layer).find((regime) => regime.name === name)?.share, percent),
      ),
    ]),
  };
}

function word(text: string): Cell {
  return { text, value: text };
}

function whole(value: number | undefined): Cell {
  return value === undefined ? nothing : { text: count(value), value };
}

const nothing: Cell = { text: '–', value: undefined };

function measured(
  { patches }: LayerInspection,
  value: number | undefined,
  words: (value: number) => string,
): Cell {
  return patches === 0 || value === undefined ? nothing : { text: words(value), value };
}
