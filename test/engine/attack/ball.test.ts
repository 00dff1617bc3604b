import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AttackNorm, attackNames, attackNorms } from '../../../src/core/attack/attack.js';
import type { Normalization } from '../../../src/core/config/normalizationSchema.js';
import { ballAround } from '../../../src/engine/attack/ball.js';
import { roundTowards } from '../../../src/engine/attack/float32.js';
import { pixelScale } from '../../../src/engine/attack/pixelScale.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import type { DcnetModel } from '../../../src/engine/model/model.js';
import { testBackend } from '../backends.js';
import { expectNoLeak, randomValues } from '../tensors.js';
import { attacked, disposeBatch, modelOf, randomBatch, type Shape, usualNormalization } from './support.js';

const shape: Shape = [6, 5, 2];
const models: DcnetModel[] = [];
/** What the bytes 0 and 255 are to the network, by the reference's (v − 127.5)/128. */
const [black, white] = [Math.fround(-127.5 / 128), Math.fround(127.5 / 128)];

beforeAll(async () => {
  await startBackend(testBackend);
  for (const [i, operator] of [
    'inner-product',
    { magnitude: 'sphere', angular: 'cosine' },
    { magnitude: 'ball', angular: 'linear' },
    { magnitude: 'tanh', angular: 'sigmoid', radius: 'fixed' },
    { magnitude: 'log', angular: 'square-cosine' },
  ].entries())
    models.push(
      modelOf(
        [
          { type: 'conv', filters: 5, operator, batchNorm: i % 2 === 0 },
          { type: 'max-pool' },
          { type: 'flatten' },
          { type: 'dense', units: 4 },
        ],
        shape,
        i + 1,
      ),
    );
});
afterAll(() => {
  for (const model of models) model.dispose();
});

/** Means and scales of the two channels: powers of two, and what is none of them. */
const normalizations: readonly Normalization[] = [
  usualNormalization(2),
  { mean: [123.7, 116.3], scale: [57.3, 61.1] },
  { mean: [121.6, 102.7], scale: [1, 1] },
  { mean: [0, 255], scale: [255, 0.7] },
];

/** The float64 next to a value that is not negative. */
function neighbour(value: number, by: -1n | 0n | 1n): number {
  const bits = new BigInt64Array(Float64Array.of(value).buffer);
  if (value > 0) bits[0]! += by;
  return new Float64Array(bits.buffer)[0]!;
}

/**
 * In pixel values, of a batch: some that anyone names, any, and such that a float32 that one of its pixels may become lies
 * on the edge, or the least bit inside or outside.
 */
const epsilons = fc.oneof(
  fc.constantFrom(0, 1, 8, 255).map((epsilon) => () => epsilon),
  fc.double({ min: 0, max: 255, noNaN: true }).map((epsilon) => () => epsilon),
  fc
    .record({
      at: fc.nat(179),
      reach: fc.double({ min: 0, max: 40, noNaN: true }),
      by: fc.constantFrom(-1n, 0n, 1n),
    })
    .map(({ at, reach, by }) => (x: Float32Array, { scale }: Normalization) => {
      const unit = 1 / scale[at % 2]!;
      return neighbour(Math.abs(Math.fround(x[at]! + reach * unit) - x[at]!) / unit, by);
    }),
);

/** @throws where an image is not in the ball around the one before it, or has what is no pixel */
function requireInside(
  before: Float32Array,
  after: Float32Array,
  { norm, epsilon }: { norm: AttackNorm; epsilon: number },
  { mean, scale }: Normalization,
): void {
  let squares = 0;
  for (const [i, value] of after.entries()) {
    const channel = i % 2;
    const [lowest, highest] = [0, 255].map((v) => Math.fround((v - mean[channel]!) / scale[channel]!));
    if (!(value >= lowest! && value <= highest!)) throw new Error(`${value} is no pixel`);
    // The difference of two float32 is exact in float64.
    const moved = Math.abs(value - before[i]!) / (1 / scale[channel]!);
    if (norm === 'linf' && !(moved <= epsilon)) throw new Error(`${moved} > ${epsilon}`);
    squares += moved ** 2;
  }
  if (norm === 'l2' && !(Math.sqrt(squares) <= epsilon))
    throw new Error(`${Math.sqrt(squares)} > ${epsilon}`);
}

describe('a perturbation', () => {
  test('is inside the ball and the range of pixels, to the last bit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          net: fc.nat(4),
          images: fc.nat(1000),
          attack: fc.constantFrom(...attackNames),
          norm: fc.constantFrom(...attackNorms),
          normalization: fc.constantFrom(...normalizations),
          targeted: fc.boolean(),
          epsilonOf: epsilons,
          steps: fc.integer({ min: 1, max: 3 }),
          restarts: fc.constantFrom(1, 3),
          stepSize: fc.option(fc.double({ min: 0.1, max: 300, noNaN: true }), { nil: undefined }),
        }),
        async ({ net, images, targeted, normalization, epsilonOf, norm, ...options }) => {
          const random = randomBatch(3, shape, images + 1, 4, normalization);
          const labels = random.goal.kind === 'away' ? random.goal.labels : random.goal.targets;
          const batch = targeted
            ? { ...random, goal: { kind: 'towards', targets: labels } as const }
            : random;
          const before = batch.x.dataSync<'float32'>();
          const epsilon = epsilonOf(before, normalization);
          const { values } = await attacked({ ...models[net]!, normalization }, batch, {
            norm,
            epsilon,
            ...options,
          });
          const size = before.length / 3;
          for (let from = 0; from < before.length; from += size)
            requireInside(
              before.subarray(from, from + size),
              values.subarray(from, from + size),
              { norm, epsilon },
              normalization,
            );
          disposeBatch(batch);
        },
      ),
      { numRuns: 300, seed: 7 },
    );
  });

  test('of ℓ∞ reaches the edge: no more than two float32 lie between it and ε', async () => {
    const batch = randomBatch(2, shape, 3);
    const { values } = await attacked(models[0]!, batch, { attack: 'fgsm', epsilon: 3.3 });
    const before = batch.x.dataSync<'float32'>();
    const sizes = values.map((value, i) => Math.abs(value - before[i]!) * 128);
    expect(Math.max(...sizes)).toBeGreaterThan(3.3 - 2e-5);
    disposeBatch(batch);
  });

  test('that is too long in float64 is shortened, for images of any channel’s scale', () => {
    const scale = { lowest: [-2, -3], highest: [2, 3], unit: [0.5, 0.01] };
    const x = tf.zeros([1, 1, 2, 2]) as tf.Tensor4D;
    const far = tf.tensor4d([1.5, 0.02, -1.5, 2], [1, 1, 2, 2]);
    const ball = ballAround(x, 'l2', 10, scale);
    const settled = ball.settle(far).dataSync();
    // In pixels the perturbation is (3, 2, −3, 200): all of it becomes 10 long.
    const length = Math.hypot(3, 2, 3, 200);
    for (const [i, value] of [1.5, 0.02, -1.5, 2].entries())
      expect(settled[i]! / ((value * 10) / length)).toBeCloseTo(1, 5);
    const cube = ballAround(x, 'linf', 10, scale);
    // The float32 nearest to 0.1 is above it: the one before it is the last inside.
    expect([...cube.settle(far).dataSync()]).toEqual([1.5, Math.fround(0.02), -1.5, 0.09999999403953552]);
    expectNoLeak(() => {
      for (const norm of attackNorms) {
        const made = ballAround(x, norm, 2, scale);
        made.settle(far).dispose();
        tf.tidy(() => void made.project(far));
        made.dispose();
      }
    });
    ball.dispose();
    cube.dispose();
    tf.dispose([x, far]);
  });
});

test('a float32 is rounded towards its anchor, and no farther than it must', () => {
  const values = randomValues(5, 4000, -1, 1);
  const bytes = new Float32Array(1);
  const next = new Int32Array(bytes.buffer);
  for (let i = 0; i < values.length; i += 2) {
    const anchor = values[i]!;
    const value = anchor + values[i + 1]! * 1e-3 * Math.PI;
    const rounded = roundTowards(value, anchor);
    expect(Math.abs(rounded - anchor)).toBeLessThanOrEqual(Math.abs(value - anchor));
    // The next float32 on the outer side is beyond the value.
    bytes[0] = rounded;
    next[0]! += Math.sign(value - anchor) === Math.sign(rounded) ? 1 : -1;
    expect(Math.abs(bytes[0] - anchor)).toBeGreaterThan(Math.abs(value - anchor));
  }
  expect(roundTowards(1e-46, 0)).toBe(0);
  expect(pixelScale({ mean: [127.5], scale: [128] })).toEqual({
    lowest: [black],
    highest: [white],
    unit: [1 / 128],
  });
});
