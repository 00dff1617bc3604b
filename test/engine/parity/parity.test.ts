import { beforeAll, describe, expect, it } from 'vitest';
import { requireConfig } from '../../../src/core/config/parse.js';
import { type Runtime, startBackend } from '../../../src/engine/backend/backend.js';
import { testBackend } from '../backends.js';
import { type ParityCase, readCases } from './cases.js';
import { type Digest, distance } from './digest.js';
import { trainCase } from './trainCase.js';

/** ‖ours − theirs‖ / ‖theirs‖ of every tensor, after up to five steps in float32. */
const tolerance = 1e-4;

const tooLarge = 'whole networks are too much for a simulated GPU';
const elsewhere = 'decoupledConv2d.test.ts compares each with float64 there';
const asOthers =
  'its convolutions are those of the other groups: what is behind them no kernel for WebGPU computes';
const noKernel = 'no kernel for WebGPU takes part: other backends compute the same of the same operations';
/** What is left out on WebGPU, where a simulated GPU takes long. */
const notOnWebgpu: Readonly<Record<string, string>> = {
  operators: elsewhere,
  dense: asOthers,
  prelu: asOthers,
  add: asOthers,
  networks: tooLarge,
  resnet: tooLarge,
  training: noKernel,
  lossEpsilon: noKernel,
  filterTraining: noKernel,
};
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
    const reason = testBackend === 'webgpu' ? notOnWebgpu[group] : undefined;
    if (reason !== undefined) skip(reason);
    const outcome = await trainCase(found, runtime);
    const worst = [
      ['loss', distance([outcome.losses], { values: [found.losses.reduce((a, b) => a + b)] })] as const,
      ...distances('gradient of', outcome.gradients, found.gradients),
      ...distances('after the last step:', outcome.tensors, found.tensors),
      ['test scores', distance(outcome.scores, found.scores)] as const,
    ].filter(([, error]) => !(error < tolerance));
    expect(worst).toEqual([]);
  });
});

describe('the whole networks of the parity cases', () => {
  it.each([
    ['networks', 'cnn-9', { preset: 'cnn-9', widths: [8, 12, 16], features: 32 }],
    ['resnet', 'resnet-32 e', { preset: 'resnet-32', widths: [8, 16, 32] }],
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
  for (const [name, digest] of Object.entries(expected))
    yield [`${what} ${name}`, distance(actual.get(name) ?? [], digest)];
}
