import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { OptimizerConfig } from '../../../src/core/config/trainingSchema.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import type { Checkpoint, StoredTensor } from '../../../src/engine/checkpoint/checkpoint.js';
import { readTensors } from '../../../src/engine/checkpoint/modelState.js';
import { createOptimizer } from '../../../src/engine/training/optimizer.js';
import { testBackends } from '../backends.js';

/** Gradients of four steps of a weight with five values: more than a vector of the kernels holds. */
const gradients = [
  [0.5, -2, 0.1, 4, -3],
  [0.25, 1, -0.2, -4, 2],
  [-1, 0.125, 0.3, 4, 1],
  [3, -0.5, -0.4, -4, 0.001],
];
const rates = [0.1, 0.1, 0.05, 0.025];
const start = [1, -1, 0.5, 2, -3];
const zeros = start.map(() => 0);

const adamConfig = {
  type: 'adam',
  learningRate: 0.1,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-7,
  epsilonOn: 'corrected',
} as const;

/** Adam (Kingma and Ba, algorithm 1) in float64. */
function adam(beta1: number, beta2: number, epsilon: number): number[] {
  const w = [...start];
  const m = [...zeros];
  const v = [...zeros];
  for (const [t, g] of gradients.entries())
    for (const i of start.keys()) {
      m[i] = beta1 * m[i]! + (1 - beta1) * g[i]!;
      v[i] = beta2 * v[i]! + (1 - beta2) * g[i]! ** 2;
      const [mHat, vHat] = [m[i]! / (1 - beta1 ** (t + 1)), v[i]! / (1 - beta2 ** (t + 1))];
      w[i]! -= (rates[t]! * mHat) / (Math.sqrt(vHat) + epsilon);
    }
  return w;
}

/** Adam as TensorFlow 1 documents it ("epsilon hat", before section 2.1 of Kingma and Ba), in float64. */
function rawAdam(beta1: number, beta2: number, epsilon: number): number[] {
  const w = [...start];
  const m = [...zeros];
  const v = [...zeros];
  for (const [t, g] of gradients.entries()) {
    const rate = (rates[t]! * Math.sqrt(1 - beta2 ** (t + 1))) / (1 - beta1 ** (t + 1));
    for (const i of start.keys()) {
      m[i] = beta1 * m[i]! + (1 - beta1) * g[i]!;
      v[i] = beta2 * v[i]! + (1 - beta2) * g[i]! ** 2;
      w[i]! -= (rate * m[i]!) / (Math.sqrt(v[i]!) + epsilon);
    }
  }
  return w;
}

/** Heavy-ball momentum, or Nesterov's as Sutskever et al. (2013) rewrite it, in float64. */
function momentum(decay: number, nesterov = false): number[] {
  const w = [...start];
  const velocity = [...zeros];
  for (const [t, g] of gradients.entries())
    for (const i of start.keys()) {
      velocity[i] = decay * velocity[i]! + g[i]!;
      w[i]! -= rates[t]! * (nesterov ? g[i]! + decay * velocity[i]! : velocity[i]!);
    }
  return w;
}

const configs: readonly [OptimizerConfig, number[]][] = [
  [adamConfig, adam(0.9, 0.999, 1e-7)],
  [{ ...adamConfig, beta1: 0.5, beta2: 0.9, epsilon: 0.1 }, adam(0.5, 0.9, 0.1)],
  [{ ...adamConfig, epsilon: 1e-8, epsilonOn: 'raw' }, rawAdam(0.9, 0.999, 1e-8)],
  // Far from the corrected kind: v is small in the first steps.
  [{ ...adamConfig, epsilon: 0.1, epsilonOn: 'raw' }, rawAdam(0.9, 0.999, 0.1)],
  [{ type: 'sgd', learningRate: 0.1, momentum: 0.9, nesterov: false }, momentum(0.9)],
  [{ type: 'sgd', learningRate: 0.1, momentum: 0, nesterov: false }, momentum(0)],
  [{ type: 'sgd', learningRate: 0.1, momentum: 0.9, nesterov: true }, momentum(0.9, true)],
];

function run(config: OptimizerConfig, from: number, to: number, before?: Checkpoint) {
  const weight = tf.tidy(() =>
    tf.variable(tf.tensor1d(before ? [...before.tensors.get('w')!.values] : start)),
  );
  const optimizer = createOptimizer(config, [{ name: 'w', variable: weight }]);
  if (before !== undefined) optimizer.restore(before);
  for (let step = from; step < to; step++)
    tf.tidy(() => optimizer.apply([tf.tensor1d(gradients[step]!)], rates[step]!));
  return { weight, optimizer };
}

async function checkpointOf({ weight, optimizer }: ReturnType<typeof run>): Promise<Checkpoint> {
  const tensors = await readTensors(new Map<string, tf.Tensor>([['w', weight], ...optimizer.state()]));
  return { file: 'a', tensors } as unknown as Checkpoint;
}

const cases = testBackends.flatMap((backend) =>
  configs.map(([config, expected]) => ({ backend, config, expected })),
);

describe.each(cases)('$config on $backend', ({ backend, config, expected }) => {
  beforeAll(() => startBackend(backend));

  it('takes the steps of its formula', () => {
    const { weight, optimizer } = run(config, 0, 4);
    for (const [i, value] of weight.dataSync().entries()) expect(value).toBeCloseTo(expected[i]!, 5);
    optimizer.dispose();
    weight.dispose();
  });

  it('goes on to the last bit from what was stored, and leaks nothing', async () => {
    const before = tf.memory().numTensors;
    const whole = run(config, 0, 4);
    const half = run(config, 0, 2);
    const rest = run(config, 2, 4, await checkpointOf(half));
    expect([...rest.weight.dataSync()]).toEqual([...whole.weight.dataSync()]);
    expect(await checkpointOf(rest)).toEqual(await checkpointOf(whole));
    for (const { weight, optimizer } of [whole, half, rest]) {
      optimizer.dispose();
      weight.dispose();
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  it('names a slot that is missing or does not fit', async () => {
    const { weight, optimizer } = run(config, 0, 1);
    const stored = await checkpointOf({ weight, optimizer });
    const slot = [...stored.tensors.keys()].find((name) => name.endsWith('/w'))!;
    const spoilt = (change: (tensors: Map<string, StoredTensor>) => void): Checkpoint => {
      const tensors = new Map(stored.tensors);
      change(tensors);
      return { ...stored, tensors };
    };
    for (const bad of [
      spoilt((tensors) => tensors.delete(slot)),
      spoilt((tensors) => tensors.set(slot, { shape: [3], values: new Float32Array(3) })),
      spoilt((tensors) => tensors.set(slot, { shape: [2], values: new Float32Array([1, Number.NaN]) })),
    ])
      expect(() => optimizer.restore(bad)).toThrow(
        expect.objectContaining({ details: expect.objectContaining({ code: 'checkpoint', field: slot }) }),
      );
    optimizer.dispose();
    weight.dispose();
  });
});
