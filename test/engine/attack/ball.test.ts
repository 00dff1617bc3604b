import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attackNames, attackNorms } from '../../../src/core/attack/attack.js';
import { ballAround } from '../../../src/engine/attack/ball.js';
import { roundTowards } from '../../../src/engine/attack/float32.js';
import { pixelScale } from '../../../src/engine/attack/pixelScale.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import type { DcnetModel } from '../../../src/engine/model/model.js';
import { testBackend } from '../backends.js';
import { expectNoLeak, randomValues } from '../tensors.js';
import { attacked, disposeBatch, modelOf, randomBatch, type Shape } from './support.js';

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

describe('a perturbation', () => {
  test('is inside the ball and the range of pixels, to the last bit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          net: fc.nat(4),
          images: fc.nat(1000),
          attack: fc.constantFrom(...attackNames),
          norm: fc.constantFrom(...attackNorms),
          epsilon: fc.oneof(fc.constantFrom(0, 1, 8, 255), fc.double({ min: 0, max: 255, noNaN: true })),
          steps: fc.integer({ min: 1, max: 3 }),
          stepSize: fc.option(fc.double({ min: 0.1, max: 300, noNaN: true }), { nil: undefined }),
        }),
        async ({ net, images, norm, epsilon, ...options }) => {
          const batch = randomBatch(3, shape, images + 1);
          const { values } = await attacked(models[net]!, batch, { norm, epsilon, ...options });
          const before = batch.x.dataSync<'float32'>();
          const size = before.length / 3;
          for (let image = 0; image < 3; image++) {
            let squares = 0;
            for (let i = image * size; i < (image + 1) * size; i++) {
              const [value, moved] = [values[i]!, Math.abs(values[i]! - before[i]!)];
              if (!(value >= black && value <= white)) throw new Error(`${value} is no pixel`);
              if (norm === 'linf' && !(moved <= epsilon / 128))
                throw new Error(`${moved * 128} > ${epsilon}`);
              squares += (moved * 128) ** 2;
            }
            if (norm === 'l2' && !(Math.sqrt(squares) <= epsilon))
              throw new Error(`${Math.sqrt(squares)} > ${epsilon}`);
          }
          disposeBatch(batch);
        },
      ),
      { numRuns: 150, seed: 7 },
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
