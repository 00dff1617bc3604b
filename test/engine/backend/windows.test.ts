import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { testBackend, testBackends } from '../backends.js';
import { frame } from '../operator/oracle.js';
import { expectClose, expectNoLeak, randomValues, sizeOf, tensorOf } from '../tensors.js';

interface Shapes {
  readonly x: readonly [number, number, number, number];
  readonly w: readonly [number, number, number, number];
  readonly stride: number;
  readonly padding: 'same' | 'valid';
}

const shapesArbitrary: fc.Arbitrary<Shapes> = fc
  .record({
    batch: fc.integer({ min: 1, max: 3 }),
    height: fc.integer({ min: 1, max: 9 }),
    width: fc.integer({ min: 1, max: 9 }),
    channels: fc.integer({ min: 1, max: 9 }),
    kernelHeight: fc.integer({ min: 1, max: 5 }),
    kernelWidth: fc.integer({ min: 1, max: 5 }),
    filters: fc.integer({ min: 1, max: 13 }),
    stride: fc.integer({ min: 1, max: 4 }),
    padding: fc.constantFrom('same' as const, 'valid' as const),
  })
  .filter(
    ({ padding, height, width, kernelHeight, kernelWidth }) =>
      padding === 'same' || (kernelHeight <= height && kernelWidth <= width),
  )
  .map(({ batch, height, width, channels, kernelHeight, kernelWidth, filters, ...rest }) => ({
    x: [batch, height, width, channels],
    w: [kernelHeight, kernelWidth, channels, filters],
    ...rest,
  }));

/** Channels and filters of tiles: any on WebAssembly, whole vectors on TensorFlow. */
const tiledWidth = fc.oneof(fc.integer({ min: 8, max: 19 }), fc.constantFrom(16, 32, 48));

/** Convolutions that are computed in tiles: some blocks hold tiles of several images, some tiles end beyond theirs. */
const tiledArbitrary: fc.Arbitrary<Shapes> = fc
  .record({
    batch: fc.integer({ min: 1, max: 9 }),
    height: fc.integer({ min: 1, max: 12 }),
    width: fc.integer({ min: 1, max: 12 }),
    channels: tiledWidth,
    filters: tiledWidth,
    padding: fc.constantFrom('same' as const, 'valid' as const),
  })
  .filter(({ padding, height, width }) => padding === 'same' || (height >= 3 && width >= 3))
  .map(({ batch, height, width, channels, filters, padding }) => ({
    x: [batch, height, width, channels],
    w: [3, 3, channels, filters],
    stride: 1,
    padding,
  }));

/** y, dL/dx and dL/dw of a convolution as sums in float64. */
function convolution(
  { x, w, stride, padding }: Shapes,
  xs: Float64Array,
  ws: Float64Array,
  dys: Float64Array,
) {
  const [batch, height, width, channels] = x;
  const [kernelHeight, kernelWidth, , filters] = w;
  const rows = frame(height, kernelHeight, stride, padding);
  const columns = frame(width, kernelWidth, stride, padding);
  const y = new Float64Array(batch * rows.out * columns.out * filters);
  const dx = new Float64Array(xs.length);
  const dw = new Float64Array(ws.length);
  for (let n = 0; n < batch; n++) {
    for (let r = 0; r < rows.out; r++) {
      for (let c = 0; c < columns.out; c++) {
        for (let i = 0; i < kernelHeight; i++) {
          for (let j = 0; j < kernelWidth; j++) {
            const inRow = r * stride + i - rows.before;
            const inColumn = c * stride + j - columns.before;
            if (inRow < 0 || inRow >= height || inColumn < 0 || inColumn >= width) continue;
            for (let channel = 0; channel < channels; channel++) {
              const from = ((n * height + inRow) * width + inColumn) * channels + channel;
              for (let f = 0; f < filters; f++) {
                const to = ((n * rows.out + r) * columns.out + c) * filters + f;
                const weight = ((i * kernelWidth + j) * channels + channel) * filters + f;
                y[to]! += xs[from]! * ws[weight]!;
                dx[from]! += dys[to]! * ws[weight]!;
                dw[weight]! += dys[to]! * xs[from]!;
              }
            }
          }
        }
      }
    }
  }
  return { y, dx, dw };
}

describe.skipIf(testBackend === 'webgpu')(`convolutions on ${testBackend}`, () => {
  test.each([
    ['any window', shapesArbitrary, 300],
    ['windows computed in tiles', tiledArbitrary, 100],
  ] as const)('value and both gradients agree with float64 sums for %s', async (_, arbitrary, numRuns) => {
    await startBackend(testBackend);
    fc.assert(
      fc.property(arbitrary, fc.integer({ min: 1, max: 1e6 }), (shapes, seed) => {
        const xs = randomValues(seed, sizeOf(shapes.x));
        const ws = randomValues(seed + 1, sizeOf(shapes.w));
        tf.tidy(() => {
          const x = tensorOf<tf.Rank.R4>(xs, shapes.x);
          const w = tensorOf<tf.Rank.R4>(ws, shapes.w);
          const f = (image: tf.Tensor, filter: tf.Tensor): tf.Tensor =>
            tf.conv2d(image as tf.Tensor4D, filter as tf.Tensor4D, shapes.stride, shapes.padding);
          const y = f(x, w);
          const dys = randomValues(seed + 2, y.size);
          const [dx, dw] = tf.grads(f)([x, w], tensorOf(dys, y.shape));
          const expected = convolution(shapes, xs, ws, dys);
          expectClose(y, expected.y, 1e-5, 'y', 1);
          expectClose(dx!, expected.dx, 1e-5, 'dx', 1);
          expectClose(dw!, expected.dw, 1e-5, 'dw', 1);
        });
      }),
      { numRuns, seed: 3 },
    );
  });

  test('gradients agree with the cpu backend and leave no tensor behind', async () => {
    for (const [stride, padding, kernel] of [
      [1, 'same', 3],
      [2, 'same', 3],
      [2, 'valid', 4],
      [3, 'same', 1],
    ] as const) {
      const xShape: [number, number, number, number] = [4, 14, 13, 16];
      const wShape: [number, number, number, number] = [kernel, kernel, 16, 32];
      const results: Float64Array[][] = [];
      for (const backend of ['cpu', testBackend] as const) {
        await startBackend(backend);
        const x = tensorOf<tf.Rank.R4>(randomValues(1, sizeOf(xShape)), xShape);
        const w = tensorOf<tf.Rank.R4>(randomValues(2, sizeOf(wShape)), wShape);
        const f = (image: tf.Tensor, filter: tf.Tensor): tf.Tensor =>
          tf.conv2d(image as tf.Tensor4D, filter as tf.Tensor4D, stride, padding);
        const gradients = tf.grads(f)([x, w]);
        results.push(gradients.map((gradient) => Float64Array.from(gradient.dataSync())));
        if (backend === testBackend) expectNoLeak(() => tf.dispose(tf.grads(f)([x, w])));
        tf.dispose([x, w, gradients]);
      }
      const [[dxCpu, dwCpu], [dx, dw]] = results as [
        [Float64Array, Float64Array],
        [Float64Array, Float64Array],
      ];
      expectClose(tf.tensor1d(Float32Array.from(dx)), dxCpu, 1e-5, 'dx');
      expectClose(tf.tensor1d(Float32Array.from(dw)), dwCpu, 1e-5, 'dw');
    }
  });
});

describe('max pooling on wasm', () => {
  test('the gradient goes to the first of the largest values, for any window', async () => {
    await startBackend('wasm');
    fc.assert(
      fc.property(shapesArbitrary, fc.integer({ min: 1, max: 1e6 }), (shapes, seed) => {
        const [batch, height, width, channels] = shapes.x;
        const size: [number, number] = [shapes.w[0], shapes.w[1]];
        const { stride, padding } = shapes;
        // Few different values, so that most windows have several largest ones.
        const xs = randomValues(seed, sizeOf(shapes.x), -2, 2).map(Math.round);
        const rows = frame(height, size[0], stride, padding);
        const columns = frame(width, size[1], stride, padding);
        const dys = randomValues(seed + 1, batch * rows.out * columns.out * channels);
        const expected = new Float64Array(xs.length);
        for (let n = 0; n < batch; n++)
          for (let r = 0; r < rows.out; r++)
            for (let c = 0; c < columns.out; c++)
              for (let channel = 0; channel < channels; channel++) {
                let best = -1;
                for (let i = 0; i < size[0]; i++)
                  for (let j = 0; j < size[1]; j++) {
                    const row = r * stride + i - rows.before;
                    const column = c * stride + j - columns.before;
                    if (row < 0 || row >= height || column < 0 || column >= width) continue;
                    const at = ((n * height + row) * width + column) * channels + channel;
                    if (best < 0 || xs[at]! > xs[best]!) best = at;
                  }
                expected[best]! += dys[((n * rows.out + r) * columns.out + c) * channels + channel]!;
              }
        tf.tidy(() => {
          const dy = tensorOf(dys, [batch, rows.out, columns.out, channels]);
          const pool = (x: tf.Tensor): tf.Tensor => tf.maxPool(x as tf.Tensor4D, size, stride, padding);
          expectClose(tf.grad(pool)(tensorOf(xs, shapes.x), dy), expected, 1e-6, 'dx', 1);
        });
      }),
      { numRuns: 200, seed: 5 },
    );
  });

  test('leaves no tensor behind', async () => {
    await startBackend('wasm');
    const x = tf.ones<tf.Rank.R4>([1, 4, 4, 3]);
    expectNoLeak(() =>
      tf
        .grad((image: tf.Tensor) => tf.maxPool(image as tf.Tensor4D, 2, 2, 'same'))(x)
        .dispose(),
    );
    x.dispose();
  });
});

describe.each(testBackends)('the rest that training needs on %s', (backend) => {
  test('gradients of average pooling, global average, dense and softmax cross-entropy agree with finite differences', async () => {
    await startBackend(backend);
    const x = tensorOf<tf.Rank.R4>(randomValues(1, 2 * 6 * 6 * 4), [2, 6, 6, 4]);
    const w = tensorOf<tf.Rank.R2>(randomValues(2, 4 * 5), [4, 5]);
    const labels = tf.oneHot(tf.tensor1d([3, 1], 'int32'), 5);
    const loss = (image: tf.Tensor, weights: tf.Tensor): tf.Tensor => {
      const pooled = tf.avgPool(image as tf.Tensor4D, 3, 2, 'same');
      const features = tf.mean(pooled, [1, 2]) as tf.Tensor2D;
      return tf.losses.softmaxCrossEntropy(labels, tf.matMul(features, weights as tf.Tensor2D));
    };
    const gradients = tf.tidy(() => tf.grads(loss)([x, w]));
    for (const [index, input] of [x, w].entries()) {
      const values = input.dataSync<'float32'>();
      const gradient = gradients[index]!.dataSync();
      for (const at of [0, 7, 13, 19]) {
        const moved = (by: number): number =>
          tf.tidy(() => {
            const copy = tf.tensor(
              values.map((value, i) => (i === at ? value + by : value)),
              input.shape,
            );
            return loss(index === 0 ? copy : x, index === 1 ? copy : w).dataSync()[0]!;
          });
        expect(gradient[at]).toBeCloseTo((moved(0.05) - moved(-0.05)) / 0.1, 4);
      }
    }
    tf.dispose([x, w, labels, gradients]);
  });
});
