import { leavesOf } from '../comparison/configChanges.js';
import { configSchema } from '../config/schema.js';
import type { AuthorsSetting, KnownPart, Source } from './authors.js';
import type { Experiment, ExperimentData, PlannedRun } from './experiment.js';

type Fields = Readonly<Record<string, unknown>>;

const dataWords: Readonly<Record<ExperimentData['kind'], string>> = {
  'fashion-mnist': 'Fashion-MNIST (28×28, grey, 10 classes)',
  mnist: 'MNIST',
  cifar10: 'CIFAR-10',
  cifar100: 'CIFAR-100',
};

const sourceWords: Readonly<Record<Source, string>> = {
  paper: 'in the paper',
  code: 'in the authors’ code',
  'code of another network': 'in the authors’ code for CIFAR, which is of ResNet-32',
  'related paper': 'in the MHE paper by the same group, for the paper does not say',
  assumed: 'by assumption, for the paper does not say',
};

/**
 * Where the runs of an experiment are not what the authors did: a line for each field in which a config differs from
 * theirs, and one for what nobody knows of theirs. Where it is not so of all runs, the line names them.
 */
export function deviationsOf(
  { data, runs }: Pick<Experiment, 'data' | 'runs'>,
  authors: AuthorsSetting,
): readonly string[] {
  const lines = new Map<string, string[]>();
  for (const run of runs)
    for (const line of [...differences(run, authors), ...unknowns(run, authors)])
      lines.set(line, [...(lines.get(line) ?? []), run.id]);
  return [
    ...(data === undefined || data === authors.data
      ? []
      : [`data: ${dataWords[data]} here, ${dataWords[authors.data]} in the paper.`]),
    ...[...lines].map(([line, ids]) =>
      ids.length === runs.length ? `${line}.` : `${line} (${ids.join(', ')}).`,
    ),
  ];
}

/** A line for each field of a run's config that is not the authors'. */
function differences({ config, subject }: PlannedRun, authors: AuthorsSetting): readonly string[] {
  const parts: readonly KnownPart[] = [
    ...authors.parts,
    ...(subject.operator === 'inner-product' ? [] : authors.decoupled),
    { source: 'paper', fields: subject },
  ];
  const ours = leavesOf(withDefaults(config));
  const theirs = leavesOf(withDefaults(parts.map(({ fields }) => fields).reduce(merged)));
  const sourceOf = (field: string): Source | undefined =>
    parts.findLast(({ fields }) => leavesOf(fields).has(field))?.source;
  return [...new Set([...ours.keys(), ...theirs.keys()])].flatMap((field) => {
    const [own, other] = [ours.get(field), theirs.get(field)];
    if (own === other || isUnknown(field, authors)) return [];
    const source = sourceOf(field);
    const where =
      source === undefined ? 'in the authors’ setting, as far as it is known' : sourceWords[source];
    return [`${field}: ${own ?? 'none'} here, ${other ?? 'none'} ${where}`];
  });
}

/** A line for what a config says and nobody knows of the authors. */
function unknowns({ config }: PlannedRun, authors: AuthorsSetting): readonly string[] {
  const said = [...leavesOf(config)].filter(([field]) => isUnknown(field, authors));
  if (said.length === 0) return [];
  return [`Not known of the authors: ${said.map(([field, value]) => `${field} (${value} here)`).join(', ')}`];
}

function isUnknown(field: string, { unknown }: AuthorsSetting): boolean {
  return unknown.some((name) => field === name || field.startsWith(`${name}.`));
}

/** A config as read, but for what it is trained on and its seed. */
function withDefaults(fields: Fields): Fields {
  const { data: _data, seed: _seed, ...config } = configSchema.parse({ ...fields, data: { idx: '.' } });
  return config;
}

/** The fields of both, one within the other; where both have a value, the second's. */
function merged(first: Fields, second: Fields): Fields {
  const fields = { ...first };
  for (const [name, value] of Object.entries(second)) {
    const before = fields[name];
    fields[name] = isFields(before) && isFields(value) ? merged(before, value) : value;
  }
  return fields;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
