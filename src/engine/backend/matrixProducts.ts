import * as tf from '@tensorflow/tfjs-core';
import { inPanels, rowOfPoints, sumOfProducts, upTo } from './convolutions.js';
import { type KernelTask, scratchAt } from './kernelCalls.js';
import { type KernelModule, leastOf } from './kernelModule.js';
import { replaceKernel } from './replaceKernel.js';

/**
 * Products of two matrices of which one is transposed, as the gradients of dense layers are, for the wasm backend: by the
 * kernels of a 1×1 convolution's gradients. tfjs has a loop over single numbers for them.
 */
export function registerMatrixProducts(module: KernelModule): void {
  replaceKernel('BatchMatMul', 'wasm', (stock) => (parameters) => {
    const { a, b } = parameters.inputs as Record<'a' | 'b', tf.TensorInfo>;
    const { transposeA, transposeB } = parameters.attrs as unknown as Record<
      'transposeA' | 'transposeB',
      boolean
    >;
    const isOne = [a, b].every(({ shape, dtype }) => isMatrix(shape) && dtype === 'float32');
    if (!isOne || transposeA === transposeB) return stock(parameters);
    const leading = (a.shape.length > b.shape.length ? a : b).shape.slice(0, -2);
    const [rows, columns] = (transposeA ? b : a).shape.slice(-2) as [number, number];
    return transposeA
      ? byRows(module, a, b, [...leading, a.shape.at(-1)!, columns])
      : byFilters(module, a, b, [...leading, rows, b.shape.at(-2)!]);
  });
}

/** Whether all dimensions before the last two are 1. */
function isMatrix(shape: readonly number[]): boolean {
  return tf.util.sizeFromShape(shape.slice(0, -2)) === 1;
}

/** aᵀ·b: the gradient of 1×1 filters over a row of pixels a [R, C] with the upstream gradient b [R, F]; `shape` ends in C, F. */
function byRows(
  module: KernelModule,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  shape: readonly number[],
): tf.TensorInfo {
  const [channels, filters] = shape.slice(-2) as [number, number];
  const rows = a.shape.at(-2)!;
  const out = module.output(shape);
  sumOfProducts(module, a, b, [rows, channels, filters], out);
  return out;
}

/** a·bᵀ: the gradient of a row of pixels whose 1×1 filters are b [C, F], with the upstream gradient a [R, F]; `shape` ends in R, C. */
function byFilters(
  module: KernelModule,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  shape: readonly number[],
): tf.TensorInfo {
  const [rows, channels] = shape.slice(-2) as [number, number];
  const filters = b.shape.at(-1)!;
  const out = module.output(shape);
  const panels = filters * upTo(8, channels);
  module.withScratch(panels, (packed) => {
    inPanels(module, channels, filters, (range) => [
      ['packFlippedFilters', 1, 1, channels, filters, ...range, module.address(b), packed],
    ]);
    const parts = module.stretchesOf(rows, leastOf(channels)).map(({ first, count }): KernelTask => {
      const [input, output] = [[a, filters] as const, [out, channels] as const].map(
        ([tensor, width]) => module.address(tensor) + 4 * first * width,
      ) as [number, number];
      return [['convolve', ...rowOfPoints(count, filters, channels), input, packed, scratchAt, output]];
    });
    module.run(parts, rows * filters);
  });
  return out;
}
