import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { expectClose, expectNoLeak, randomValues, sizeOf, tensorOf } from '../tensors.js';

const productArbitrary = fc.record({
  rows: fc.integer({ min: 1, max: 13 }),
  depth: fc.integer({ min: 1, max: 40 }),
  columns: fc.integer({ min: 1, max: 21 }),
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  batches: fc.constantFrom([], [1], [1, 1], [2]),
  seed: fc.integer({ min: 1, max: 1e6 }),
});

test('products of matrices on wasm agree with float64 sums, whichever is transposed', async () => {
  await startBackend('wasm');
  fc.assert(
    fc.property(productArbitrary, ({ rows, depth, columns, transposeA, transposeB, batches, seed }) => {
      const aShape = [...batches, ...(transposeA ? [depth, rows] : [rows, depth])];
      const bShape = [...batches, ...(transposeB ? [columns, depth] : [depth, columns])];
      const as = randomValues(seed, sizeOf(aShape));
      const bs = randomValues(seed + 1, sizeOf(bShape));
      const count = sizeOf(batches);
      const expected = new Float64Array(count * rows * columns);
      for (let n = 0; n < count; n++)
        for (let i = 0; i < rows; i++)
          for (let j = 0; j < columns; j++)
            for (let k = 0; k < depth; k++) {
              const a = as[n * rows * depth + (transposeA ? k * rows + i : i * depth + k)]!;
              const b = bs[n * depth * columns + (transposeB ? j * depth + k : k * columns + j)]!;
              expected[(n * rows + i) * columns + j]! += a * b;
            }
      tf.tidy(() => {
        const a = tensorOf(as, aShape);
        const product = tf.matMul(a, tensorOf(bs, bShape), transposeA, transposeB);
        expect(product.shape).toEqual([...batches, rows, columns]);
        expectClose(product, expected, 1e-5, 'a·b', 1);
      });
    }),
    { numRuns: 200, seed: 7 },
  );
});

test('a product of a transposed matrix leaves no tensor behind', async () => {
  await startBackend('wasm');
  const a = tf.ones<tf.Rank.R2>([3, 5]);
  const b = tf.ones<tf.Rank.R2>([3, 2]);
  expectNoLeak(() => tf.matMul(a, b, true, false).dispose());
  tf.dispose([a, b]);
});

test('a clone on wasm has the values of its tensor, also after that is gone, and no memory of its own', async () => {
  await startBackend('wasm');
  const tensor = tf.tensor1d([1, 2, 3]);
  const { numDataBuffers } = tf.memory();
  const clone = tf.clone(tensor);
  expect(tf.memory().numDataBuffers).toBe(numDataBuffers);
  tensor.dispose();
  expect([...clone.dataSync()]).toEqual([1, 2, 3]);
  clone.dispose();
  expect(tf.memory().numDataBuffers).toBe(numDataBuffers - 1);
});
