import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { batchNormalize } from '../../../src/engine/operator/batchNorm.js';
import {
  type DecoupledConv2dOptions,
  decoupledConv2d,
} from '../../../src/engine/operator/decoupledConv2d.js';
import { testBackend } from '../backends.js';
import { expectClose, randomValues, sizeOf, tensorOf } from '../tensors.js';

/** A function of tensors with its gradients, each as values. */
type Values = readonly Float64Array[];

interface Input {
  readonly shape: readonly number[];
  readonly low: number;
  readonly high: number;
}

/** y and the gradients to each input, on one backend. */
async function evaluate(
  backend: 'webgpu' | 'cpu',
  inputs: readonly Input[],
  f: (...given: tf.Tensor[]) => tf.Tensor,
): Promise<Values> {
  await startBackend(backend);
  const results: Float64Array[] = [];
  tf.tidy(() => {
    const given = inputs.map(({ shape, low, high }, index) =>
      tensorOf(randomValues(index + 1, sizeOf(shape), low, high), shape),
    );
    const y = f(...given);
    const dy = tensorOf(randomValues(99, y.size), y.shape);
    for (const tensor of [y, ...tf.grads(f)(given, dy)])
      results.push(Float64Array.from(tensor.dataSync<'float32'>()));
  });
  return results;
}

/** webgpu's results agree with those of the reference backend. */
async function checkParity(
  inputs: readonly Input[],
  f: (...given: tf.Tensor[]) => tf.Tensor,
  tolerance: number,
): Promise<void> {
  const expected = await evaluate('cpu', inputs, f);
  const actual = await evaluate('webgpu', inputs, f);
  for (const [index, values] of actual.entries())
    expectClose(tf.tensor1d(Float32Array.from(values)), expected[index]!, tolerance, `result ${index}`);
}

const both = (shape: readonly number[]): Input => ({ shape, low: -1, high: 1 });

/** Shapes of more than one tile, share and workgroup in each direction, none of them filled. */
describe.skipIf(testBackend !== 'webgpu')('kernels of our own on webgpu, beyond one workgroup', () => {
  beforeAll(async () => {
    await startBackend('webgpu');
  });

  test.each([
    { x: [3, 17, 19, 9], w: [3, 3, 9, 37], stride: 1, padding: 'same' },
    { x: [2, 21, 18, 5], w: [2, 2, 5, 70], stride: 2, padding: 'valid' },
    { x: [1, 40, 40, 1], w: [5, 5, 1, 3], stride: 1, padding: 'same' },
  ] as const)('convolution of $x with $w, stride $stride, $padding', async ({ x, w, stride, padding }) => {
    await checkParity(
      [both(x), both(w)],
      (image, filters) => tf.conv2d(image as tf.Tensor4D, filters as tf.Tensor4D, stride, padding),
      2e-5,
    );
  });

  test.each([
    { magnitude: 'tanh', angular: 'sigmoid', shared: 20 },
    { magnitude: 'seg', angular: 'linear', shared: 20 },
    { magnitude: 'ball', angular: 'cosine', shared: 1 },
  ] as const)('$magnitude × $angular, R and k of $shared', async ({ magnitude, angular, shared }) => {
    const options: DecoupledConv2dOptions = {
      ...{ magnitude, angular, alpha: 1.3, beta: 0.4, stride: 1, padding: 'same' },
    };
    const inputs: Input[] = [both([3, 13, 14, 5]), both([3, 3, 5, 20]), { shape: [shared], low: 2, high: 5 }];
    if (angular === 'sigmoid') inputs.push({ shape: [shared], low: 0.2, high: 0.8 });
    await checkParity(
      inputs,
      (x, w, radius, k) =>
        decoupledConv2d(x as tf.Tensor4D, w as tf.Tensor4D, {
          ...options,
          radius: radius as tf.Tensor1D,
          k: k as tf.Tensor1D,
        }),
      5e-5,
    );
  });

  test.each([
    { magnitude: 'sphere', back: 4 },
    { magnitude: 'tanh', back: 5 }, // R's sums are added up by themselves
  ] as const)('$magnitude × cosine: one dispatch forward, $back back', async ({ magnitude, back }) => {
    await startBackend('webgpu');
    const dispatched = vi.spyOn(GPUComputePassEncoder.prototype, 'dispatchWorkgroups');
    const taken = (): number => dispatched.mock.calls.splice(0).length;
    tf.tidy(() => {
      const [x, w, radius, dy] = [[2, 9, 9, 3], [3, 3, 3, 6], [6], [2, 9, 9, 6]].map((shape, index) =>
        tensorOf(randomValues(index + 1, sizeOf(shape), 1, 2), shape),
      ) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor1D, tf.Tensor4D];
      const apply = (...given: tf.Tensor[]): tf.Tensor =>
        decoupledConv2d(given[0] as tf.Tensor4D, given[1] as tf.Tensor4D, {
          ...{ magnitude, angular: 'cosine', alpha: 1, beta: 1, stride: 1, padding: 'same' },
          radius: given[2] as tf.Tensor1D | undefined,
        });
      const inputs = magnitude === 'tanh' ? [x, w, radius] : [x, w];
      apply(...inputs);
      expect(taken()).toBe(1);
      tf.grads(apply)(inputs, dy);
      expect(taken()).toBe(1 + back);
    });
    dispatched.mockRestore();
  });

  test.each([true, false])('batch normalisation of many rows, relu %s', async (relu) => {
    await checkParity(
      [{ shape: [9000, 19], low: -1, high: 3 }, both([19]), both([19])],
      (x, gamma, beta) => batchNormalize(x, gamma as tf.Tensor1D, beta as tf.Tensor1D, relu, () => undefined),
      1e-4,
    );
  });

  test('what the device refuses is told where values are read', async () => {
    await startBackend('webgpu');
    const { device } = tf.backend() as unknown as { device: GPUDevice };
    device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
    const read = (): unknown => tf.tidy(() => tf.square(tf.ones([5000])).dataSync());
    expect(read).toThrow('The GPU refused a computation');
    expect(read).not.toThrow();
  });
});
