import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { attackImages } from '../../../src/engine/attack/attack.js';
import { pixelScale } from '../../../src/engine/attack/pixelScale.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import type { DcnetModel } from '../../../src/engine/model/model.js';
import { testBackend } from '../backends.js';
import { attacked, disposeBatch, modelOf, randomBatch, type Shape, usual } from './support.js';

const shape: Shape = [6, 6, 1];
const classes = 4;
const made: DcnetModel[] = [];
const keep = (model: DcnetModel): DcnetModel => {
  made.push(model);
  return model;
};
/** Softmax regression: of the image, the loss is convex. */
const logistic = () => keep(modelOf([{ type: 'flatten' }, { type: 'dense', units: classes }], shape, 3));
const decoupled = (seed = 1) =>
  keep(
    modelOf(
      [
        { type: 'conv', filters: 6 },
        { type: 'conv', filters: 6, stride: 2, operator: { magnitude: 'ball', angular: 'linear' } },
        { type: 'global-average-pool' },
        { type: 'dense', units: classes },
      ],
      shape,
      seed,
    ),
  );

beforeAll(async () => {
  await startBackend(testBackend);
});
afterEach(() => {
  for (const model of made.splice(0)) model.dispose();
});

/** Softmax of scores, in float64. */
function softmax(scores: readonly number[]): number[] {
  const largest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

/** Loss and its gradient by the image, of scores xW, in float64. */
function logisticLoss(
  x: ArrayLike<number>,
  kernel: ArrayLike<number>,
  label: number,
): { loss: number; gradient: number[] } {
  const scores = Array.from({ length: classes }, (_, c) =>
    Array.from(x).reduce((sum, value, i) => sum + value * kernel[i * classes + c]!, 0),
  );
  const shares = softmax(scores);
  const errors = shares.map((share, c) => share - (c === label ? 1 : 0));
  return {
    loss: -Math.log(shares[label]!),
    gradient: Array.from(x, (_, i) =>
      errors.reduce((sum, error, c) => sum + error * kernel[i * classes + c]!, 0),
    ),
  };
}

const kernelOf = (model: DcnetModel, name: string): Float64Array =>
  Float64Array.from(model.tensors.get(name)!.dataSync());
const clip = (value: number): number => Math.max(-127.5 / 128, Math.min(127.5 / 128, value));

describe('on softmax regression, whose gradient is known,', () => {
  test('FGSM goes by ε along the signs, in ℓ2 along the gradient', async () => {
    const model = logistic();
    const batch = randomBatch(4, shape, 11);
    const x = batch.x.dataSync<'float32'>();
    const kernel = kernelOf(model, 'dense1/kernel');
    const { values: signs, objectives } = await attacked(model, batch, { attack: 'fgsm', epsilon: 5 });
    const { values: lengths } = await attacked(model, batch, { attack: 'fgsm', norm: 'l2', epsilon: 50 });
    let total = 0;
    for (let image = 0; image < 4; image++) {
      const at = image * 36;
      const { loss, gradient } = logisticLoss(x.subarray(at, at + 36), kernel, image);
      total += loss;
      const length = Math.hypot(...gradient);
      for (const [i, slope] of gradient.entries()) {
        expect(signs[at + i]).toBeCloseTo(clip(x[at + i]! + (5 / 128) * Math.sign(slope)), 6);
        expect(lengths[at + i]).toBeCloseTo(clip(x[at + i]! + ((50 / 128) * slope) / length), 5);
      }
    }
    expect(objectives).toHaveLength(1);
    expect(objectives[0]! / total).toBeCloseTo(1, 5);
    disposeBatch(batch);
  });

  test.each([1e-6, 1e-12, 1e-20])(
    'FGSM moves every pixel, also where all gradients are some %d',
    async (size) => {
      const model = logistic();
      const kernel = model.tensors.get('dense1/kernel')!;
      tf.tidy(() => kernel.assign(tf.mul(kernel, size)));
      const batch = randomBatch(4, shape, 11);
      const x = batch.x.dataSync<'float32'>();
      const { values } = await attacked(model, batch, { attack: 'fgsm', epsilon: 5 });
      const weights = kernelOf(model, 'dense1/kernel');
      for (let image = 0; image < 4; image++) {
        const at = image * 36;
        const { gradient } = logisticLoss(x.subarray(at, at + 36), weights, image);
        for (const [i, slope] of gradient.entries())
          expect(values[at + i]).toBeCloseTo(clip(x[at + i]! + (5 / 128) * Math.sign(slope)), 6);
      }
      disposeBatch(batch);
    },
  );

  test.each(['linf', 'l2'] as const)('the loss of no image ever falls along BIM (%s)', async (norm) => {
    const model = logistic();
    const count = 20;
    const batch = randomBatch(count, shape, 12);
    const kernel = kernelOf(model, 'dense1/kernel');
    const options = { attack: 'bim', norm, epsilon: norm === 'linf' ? 40 : 200, steps: 12 } as const;
    for (let image = 0; image < count; image++) {
      const label = image % classes;
      const alone = {
        x: tf.slice(batch.x, image, 1),
        goal: { kind: 'away', labels: tf.tensor1d([label], 'int32') },
        keys: [image],
      } as const;
      const { values, objectives } = await attacked(model, alone, options);
      expect(objectives).toHaveLength(12);
      const losses = [...objectives, logisticLoss(values, kernel, label).loss];
      for (const [i, loss] of losses.entries())
        if (i > 0)
          expect(loss, `image ${image}, step ${i}`).toBeGreaterThanOrEqual(losses[i - 1]! * (1 - 1e-6));
      expect(losses.at(-1)).toBeGreaterThan(losses[0]! * 1.1);
      disposeBatch(alone);
    }
    disposeBatch(batch);
  });
});

test('FGSM through a plain convolution is what float64 gives', async () => {
  const model = keep(
    modelOf(
      [
        { type: 'conv', filters: 3, operator: 'inner-product', padding: 'valid', batchNorm: false },
        { type: 'flatten' },
        { type: 'dense', units: classes },
      ],
      shape,
      5,
    ),
  );
  const batch = randomBatch(3, shape, 13);
  const x = batch.x.dataSync<'float32'>();
  const kernel = kernelOf(model, 'conv1/kernel'); // [3, 3, 1, 3]
  const weights = kernelOf(model, 'dense1/kernel'); // [4·4·3, classes]
  const { values } = await attacked(model, batch, { attack: 'fgsm', epsilon: 2 });
  let compared = 0;
  for (let image = 0; image < 3; image++) {
    const pixel = (row: number, column: number): number => x[image * 36 + row * 6 + column]!;
    const tap = (row: number, column: number, filter: number): number =>
      kernel[(row * 3 + column) * 3 + filter]!;
    const hidden = Array.from({ length: 48 }, (_, at) => {
      const [row, column, filter] = [Math.floor(at / 12), Math.floor(at / 3) % 4, at % 3];
      let sum = 0;
      for (let r = 0; r < 3; r++)
        for (let c = 0; c < 3; c++) sum += pixel(row + r, column + c) * tap(r, c, filter);
      return sum;
    });
    const scores = Array.from({ length: classes }, (_, c) =>
      hidden.reduce((sum, value, at) => sum + Math.max(0, value) * weights[at * classes + c]!, 0),
    );
    const errors = softmax(scores).map((share, c) => share - (c === image ? 1 : 0));
    const gradient = new Array<number>(36).fill(0);
    for (const [at, value] of hidden.entries()) {
      if (value <= 0) continue;
      const back = errors.reduce((sum, error, c) => sum + error * weights[at * classes + c]!, 0);
      const [row, column, filter] = [Math.floor(at / 12), Math.floor(at / 3) % 4, at % 3];
      for (let r = 0; r < 3; r++)
        for (let c = 0; c < 3; c++) gradient[(row + r) * 6 + column + c]! += back * tap(r, c, filter);
    }
    for (const [i, slope] of gradient.entries()) {
      if (Math.abs(slope) < 1e-6) continue; // float32 may have the other sign
      compared++;
      expect(values[image * 36 + i]).toBeCloseTo(clip(x[image * 36 + i]! + (2 / 128) * Math.sign(slope)), 6);
    }
  }
  expect(compared).toBeGreaterThan(95);
  disposeBatch(batch);
});

describe('an attack', () => {
  test('depends on options, network and image alone: not on the batch, nor on what was computed before', async () => {
    const model = decoupled();
    const batch = randomBatch(6, shape, 14);
    for (const attack of ['fgsm', 'bim', 'pgd'] as const) {
      const together = await attacked(model, batch, { attack, restarts: 2 });
      expect(await attacked(model, batch, { attack, restarts: 2 })).toEqual(together);
      const alone = {
        x: tf.slice(batch.x, 4, 1),
        goal: { kind: 'away', labels: tf.tensor1d([0], 'int32') },
        keys: [4],
      } as const;
      const { values } = await attacked(model, alone, { attack, restarts: 2 });
      expect(values).toEqual(together.values.slice(4 * 36, 5 * 36));
      disposeBatch(alone);
    }
    const { values: first } = await attacked(model, batch, { attack: 'pgd' });
    const { values: second } = await attacked(model, batch, { attack: 'pgd', seed: 2 });
    expect(first).not.toEqual(second);
    disposeBatch(batch);
  });

  test('towards a class makes that class more probable', async () => {
    const model = decoupled();
    const { x, goal: away, keys } = randomBatch(6, shape, 15);
    const targets = tf.tensor1d([3, 3, 3, 0, 0, 0], 'int32');
    const batch = { x, keys, goal: { kind: 'towards', targets } } as const;
    const probability = (images: tf.Tensor4D): number[] =>
      tf.tidy(() => {
        const shares = model.predict(images).arraySync().map(softmax);
        return targets.arraySync().map((target, i) => shares[i]![target]!);
      });
    const before = probability(x);
    for (const attack of ['fgsm', 'bim', 'pgd'] as const) {
      const { adversarial } = await attackImages(
        model,
        batch,
        { ...usual, attack, epsilon: attack === 'fgsm' ? 1 : 24, steps: 10 },
        pixelScale({ mean: [127.5], scale: [128] }),
      );
      const after = probability(adversarial);
      for (const [i, share] of after.entries()) expect(share).toBeGreaterThan(before[i]!);
      adversarial.dispose();
    }
    tf.dispose([x, targets, away.kind === 'away' ? away.labels : []]);
  });

  test('is never worse with more restarts', async () => {
    let mended = 0;
    for (const seed of [1, 2, 3]) {
      const model = decoupled(seed);
      const { x, goal, keys } = randomBatch(24, shape, 20 + seed);
      tf.dispose(goal.kind === 'away' ? goal.labels : goal.targets);
      const scoresOf = (images: tf.Tensor4D): number[][] => tf.tidy(() => model.predict(images).arraySync());
      const classOf = (row: readonly number[]): number => row.indexOf(Math.max(...row));
      // All are right without an attack, which then is so small that the start decides.
      const labels = scoresOf(x).map(classOf);
      const batch = { x, keys, goal: { kind: 'away', labels: tf.tensor1d(labels, 'int32') } } as const;
      let before: { wrong: boolean; loss: number }[] | undefined;
      for (const restarts of [1, 2, 4, 8]) {
        const small = { attack: 'pgd', restarts, steps: 1, stepSize: 0.01, epsilon: 24 } as const;
        const { values } = await attacked(model, batch, small);
        const moved = tf.tensor4d(values, x.shape);
        const now = scoresOf(moved).map((row, i) => ({
          wrong: classOf(row) !== labels[i],
          loss: -Math.log(softmax(row)[labels[i]!]!),
        }));
        moved.dispose();
        for (const [i, { wrong, loss }] of (before ?? []).entries()) {
          if (wrong) expect(now[i]!.wrong).toBe(true);
          else if (now[i]!.wrong) mended++;
          if (wrong === now[i]!.wrong) expect(now[i]!.loss).toBeGreaterThanOrEqual(loss);
        }
        before = now;
      }
      disposeBatch(batch);
    }
    expect(mended).toBeGreaterThan(3);
  });

  test('leaves the running averages and no tensor behind, also when it is cancelled', async () => {
    const model = decoupled();
    const batch = randomBatch(3, shape, 16);
    const state = () => [...model.tensors].map(([name, variable]) => [name, [...variable.dataSync()]]);
    const before = state();
    await attacked(model, batch, { attack: 'pgd', restarts: 2 });
    const { numTensors } = tf.memory();
    for (const norm of ['linf', 'l2'] as const)
      await attacked(model, batch, { attack: 'pgd', norm, restarts: 3 });
    expect(tf.memory().numTensors).toBe(numTensors);
    expect(state()).toEqual(before);

    const abort = new AbortController();
    let passes = 0;
    const counting = {
      ...model,
      predict: (x: tf.Tensor4D) => {
        if (++passes === 4) abort.abort();
        return model.predict(x);
      },
    };
    await expect(
      attacked(counting, batch, { attack: 'pgd', steps: 10, restarts: 5 }, abort.signal),
    ).rejects.toMatchObject({ details: { code: 'cancelled' } });
    expect(passes).toBe(4);
    const failing = {
      ...model,
      predict: (x: tf.Tensor4D) => {
        if (++passes > 9) throw new Error('out of memory');
        return model.predict(x);
      },
    };
    await expect(attacked(failing, batch, { attack: 'pgd', steps: 3, restarts: 5 })).rejects.toThrow(
      'memory',
    );
    expect(tf.memory().numTensors).toBe(numTensors);
    disposeBatch(batch);
  });
});
