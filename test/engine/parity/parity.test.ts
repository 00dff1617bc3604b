import { beforeAll, describe, expect, it } from 'vitest';
import { requireConfig } from '../../../src/core/config/parse.js';
import { type Runtime, startBackend } from '../../../src/engine/backend/backend.js';
import { isOnSimulatedGpu, testBackend } from '../backends.js';
import { type ParityCase, readCases } from './cases.js';
import { type Digest, distance } from './digest.js';
import { trainCase } from './trainCase.js';

/** ‖ours − theirs‖ / ‖theirs‖ of every tensor, after one step or five in float32. */
const tolerance = 1e-4;

/** What a simulated GPU computes of the groups that take it long: some of each kind. A real one computes all. */
const onSimulatedGpu: Readonly<Record<string, readonly string[]>> = {
  operators: [
    'sphere linear',
    'ball square-cosine adaptive',
    'ball cosine fixed',
    'tanh sigmoid 0.7 per-filter adaptive',
    'tanh sigmoid shared per-layer',
    'linear sigmoid 0.4',
    'seg sigmoid 0.4 adaptive',
    'seg linear fixed',
    'log cosine',
    'mix square-cosine',
  ],
  add: ['add with prelu', 'add by a normalised projection'],
  training: ["sgd with Nesterov's momentum", 'adam of other constants'],
  lossEpsilon: ['large loss epsilon and label smoothing'],
  filterTraining: ['all of them'],
  networks: [],
  resnet: [],
};
const isSimulated = await isOnSimulatedGpu();

/** Why a case is left out here; nothing where it is not. */
function reasonToSkip(group: string, name: string): string | undefined {
  const chosen = onSimulatedGpu[group];
  if (!isSimulated || chosen === undefined || chosen.includes(name)) return undefined;
  return chosen.length === 0
    ? 'a whole network takes a simulated GPU minutes'
    : 'a simulated GPU takes seconds a case, and computes some of each kind';
}

const groups = [
  'operators',
  'weighted',
  'exponents',
  'layers',
  'dense',
  'prelu',
  'add',
  'training',
  'lossEpsilon',
  'filterTraining',
  'networks',
  'resnet',
];

let runtime: Runtime;
beforeAll(async () => {
  runtime = await startBackend(testBackend);
});

describe.each(groups)('the engine trains as PyTorch does in float64: %s', (group) => {
  it.for(readCases(group).map((found) => [found.name, found] as const))('%s', async ([, found], { skip }) => {
    const reason = reasonToSkip(group, found.name);
    if (reason !== undefined) skip(reason);
    const outcome = await trainCase(found, runtime);
    expect(outcome.losses).toHaveLength(found.losses.length);
    const worst = [
      ...found.losses.map(
        (loss, step) =>
          [`loss of step ${step}`, distance([outcome.losses[step]!], { values: [loss] })] as const,
      ),
      ...distances('gradient of', outcome.gradients, found.gradients),
      ...distances('after the last step:', outcome.tensors, found.tensors),
      ['test scores', distance(outcome.scores, found.scores)] as const,
    ].filter(([, error]) => !(error < tolerance));
    expect(worst).toEqual([]);
  });
});

it.each(Object.entries(onSimulatedGpu))('what a simulated GPU computes of %s is there', (group, names) => {
  expect(readCases(group).map(({ name }) => name)).toEqual(expect.arrayContaining([...names]));
});

describe('the whole networks of the parity cases', () => {
  it.each([
    ['networks', 'cnn-9 tn', { preset: 'cnn-9', widths: [8, 12, 16], features: 32 }],
    ['networks', 'mnist-2d', { preset: 'mnist-2d', widths: [8, 12, 16] }],
    ['resnet', 'resnet-32 gp', { preset: 'resnet-32', widths: [8, 16, 32] }],
    ['resnet', 'resnet-32 at 32×32 xy', { preset: 'resnet-32', widths: [8, 16, 32] }],
    ['resnet', 'resnet-18', { preset: 'resnet-18', widths: [8, 12, 16, 20] }],
  ])('in %s, %s is its preset', (group, name, layers) => {
    const found = readCases(group).find((each) => each.name === name)!;
    expect(networkOf({ ...found.config, layers }, found)).toEqual(networkOf(found.config, found));
  });
});

/** A config's layers, each named by its position: names are all that a case has of its own. */
function networkOf(config: object, { shape, classes }: ParityCase): readonly object[] {
  const { network } = requireConfig(JSON.stringify(config), 'a case', { shape, classes });
  const { layers } = network!;
  const position = (name: string): number => layers.findIndex((layer) => layer.name === name);
  return layers.map((layer) => ({
    ...layer,
    name: layer.index,
    ...(layer.type === 'add' ? { from: position(layer.from) } : {}),
  }));
}

/** Each tensor that either side knows, with its distance. */
function* distances(
  what: string,
  actual: ReadonlyMap<string, Float32Array>,
  expected: Readonly<Record<string, Digest>>,
): Generator<readonly [string, number]> {
  for (const name of new Set([...actual.keys(), ...Object.keys(expected)])) {
    const [ours, theirs] = [actual.get(name), expected[name]];
    const isKnown = ours !== undefined && theirs !== undefined;
    yield [`${what} ${name}`, isKnown ? distance(ours, theirs) : Number.POSITIVE_INFINITY];
  }
}
