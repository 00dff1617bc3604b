import * as tf from '@tensorflow/tfjs-core';
import { type KernelModule, leastOf } from './kernelModule.js';
import { replaceKernel, type Shape4D, type WindowAttributes } from './replaceKernel.js';

export interface PoolAttributes extends WindowAttributes {
  readonly filterSize: [number, number] | number;
}

/** A pool's sizes. @param shape [N, H, W, C] */
export function poolWindowOf(
  shape: readonly number[],
  attributes: PoolAttributes,
): tf.backend_util.Conv2DInfo {
  const { filterSize, strides, pad, dimRoundingMode } = attributes;
  return tf.backend_util.computePool2DInfo(
    [...shape] as Shape4D,
    filterSize,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
}

/** The gradient of max pooling for the wasm backend, by a kernel of our own: tfjs's runs in plain JavaScript. */
export function registerMaxPoolGradient(module: KernelModule): void {
  replaceKernel('MaxPoolGrad', 'wasm', () => ({ inputs, attrs }) => {
    const { dy, input, output } = inputs as Record<'dy' | 'input' | 'output', tf.TensorInfo>;
    const window = poolWindowOf(input.shape, attrs as unknown as PoolAttributes);
    const dx = module.zeros(window.inShape);
    const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth } = window;
    const values = inHeight * inWidth * inChannels;
    const outValues = outHeight * outWidth * inChannels;
    module.run(
      module
        .stretchesOf(batchSize, leastOf(values))
        .map(({ first, count }) => [
          [
            'maxPoolGradient',
            ...[count, inHeight, inWidth, inChannels],
            ...[window.effectiveFilterHeight, window.effectiveFilterWidth],
            ...[window.strideHeight, window.strideWidth],
            ...[window.padInfo.top, window.padInfo.left, outHeight, outWidth],
            module.address(input) + 4 * first * values,
            module.address(output) + 4 * first * outValues,
            module.address(dy) + 4 * first * outValues,
            module.address(dx) + 4 * first * values,
          ],
        ]),
    );
    return dx;
  });
}

/**
 * Average pooling divides by the number of values that lie inside the image; its gradient in tfjs 4.22 divides by the
 * window's size, which is wrong at padded borders. dy is scaled by the one over the other before it.
 */
export function repairAveragePoolGradient(backendName: 'wasm' | 'webgpu' | 'cpu'): void {
  replaceKernel('AvgPoolGrad', backendName, (stock) => (parameters) => {
    const { dy, input } = parameters.inputs as unknown as Record<'dy' | 'input', tf.Tensor4D>;
    const window = poolWindowOf(input.shape, parameters.attrs as unknown as PoolAttributes);
    const { top, bottom, left, right } = window.padInfo;
    if (top + bottom + left + right === 0) return stock(parameters);
    const rows = valuesInside(
      window.inHeight,
      window.outHeight,
      window.filterHeight,
      window.strideHeight,
      top,
    );
    const columns = valuesInside(
      window.inWidth,
      window.outWidth,
      window.filterWidth,
      window.strideWidth,
      left,
    );
    const size = window.filterHeight * window.filterWidth;
    const factors = rows.flatMap((row) => columns.map((column) => size / (row * column)));
    const factor = tf.tensor(factors, [1, window.outHeight, window.outWidth, 1]);
    const scaled = tf.mul(dy, factor);
    const dx = stock({ ...parameters, inputs: { ...parameters.inputs, dy: scaled } });
    tf.dispose([factor, scaled]);
    return dx;
  });
}

/** How much of each window lies inside a side of the image. */
function valuesInside(length: number, out: number, kernel: number, stride: number, before: number): number[] {
  return Array.from({ length: out }, (_, at) => {
    const start = at * stride - before;
    return Math.min(start + kernel, length) - Math.max(start, 0);
  });
}
