import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { OptimizerConfig } from '../../../src/core/config/schema.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import type { Checkpoint, StoredTensor } from '../../../src/engine/checkpoint/checkpoint.js';
import { readTensors } from '../../../src/engine/checkpoint/modelState.js';
import { createOptimizer } from '../../../src/engine/training/optimizer.js';

beforeAll(() => startBackend('cpu'));

/** Gradients of four steps of a weight with two values. */
const gradients = [
  [0.5, -2],
  [0.25, 1],
  [-1, 0.125],
  [3, -0.5],
];
const rates = [0.1, 0.1, 0.05, 0.025];
const start = [1, -1];

/** Adam (Kingma and Ba, algorithm 1) in float64. */
function adam(): number[] {
  const w = [...start];
  const [m, v] = [
    [0, 0],
    [0, 0],
  ];
  for (const [t, g] of gradients.entries())
    for (const i of [0, 1]) {
      m[i] = 0.9 * m[i]! + 0.1 * g[i]!;
      v[i] = 0.999 * v[i]! + 0.001 * g[i]! ** 2;
      const [mHat, vHat] = [m[i]! / (1 - 0.9 ** (t + 1)), v[i]! / (1 - 0.999 ** (t + 1))];
      w[i]! -= (rates[t]! * mHat) / (Math.sqrt(vHat) + 1e-7);
    }
  return w;
}

/** Heavy-ball momentum in float64. */
function momentum(decay: number): number[] {
  const w = [...start];
  const velocity = [0, 0];
  for (const [t, g] of gradients.entries())
    for (const i of [0, 1]) {
      velocity[i] = decay * velocity[i]! + g[i]!;
      w[i]! -= rates[t]! * velocity[i]!;
    }
  return w;
}

const configs: readonly [OptimizerConfig, number[]][] = [
  [{ type: 'adam', learningRate: 0.1 }, adam()],
  [{ type: 'sgd', learningRate: 0.1, momentum: 0.9 }, momentum(0.9)],
  [{ type: 'sgd', learningRate: 0.1, momentum: 0 }, momentum(0)],
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

describe.each(configs)('%j', (config, expected) => {
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
