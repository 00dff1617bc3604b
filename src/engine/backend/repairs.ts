import * as tf from '@tensorflow/tfjs-core';

type Shape4D = [number, number, number, number];

/** Attributes of convolutions and pools, as tfjs passes them to kernels. */
export interface WindowAttributes {
  readonly strides: [number, number] | number;
  readonly pad: 'same' | 'valid' | number | tf.backend_util.ExplicitPadding;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

interface PoolAttributes extends WindowAttributes {
  readonly filterSize: [number, number] | number;
}

/** Put a kernel in the place of tfjs's own, which `make` is given to build upon. */
function replaceKernel(
  kernelName: string,
  backendName: string,
  make: (stock: tf.KernelConfig['kernelFunc']) => tf.KernelConfig['kernelFunc'],
): void {
  const stock = tf.getKernel(kernelName, backendName);
  if (stock === undefined) throw new Error(`The ${backendName} backend has no ${kernelName}.`);
  tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel({ ...stock, kernelFunc: make(stock.kernelFunc) });
}

/** The window of a pool over an input. */
export function poolWindow(shape: readonly number[], attributes: PoolAttributes): tf.backend_util.Conv2DInfo {
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

/**
 * Spell out the padding of 'same' convolutions on wasm: where the stride exceeds the kernel, tfjs 4.22 takes it
 * wrongly there and answers zeros.
 */
export function repairConvolutionPadding(): void {
  for (const kernelName of ['Conv2D', 'FusedConv2D']) {
    replaceKernel(kernelName, 'wasm', (stock) => (parameters) => {
      const { pad, strides, dilations } = parameters.attrs as unknown as WindowAttributes & {
        dilations: [number, number] | number;
      };
      if (pad !== 'same') return stock(parameters);
      const { x, filter } = parameters.inputs as Record<'x' | 'filter', tf.TensorInfo>;
      const { top, bottom, left, right } = tf.backend_util.computeConv2DInfo(
        x.shape as Shape4D,
        filter.shape as Shape4D,
        strides,
        dilations,
        pad,
      ).padInfo;
      const none = [0, 0];
      const explicit = [none, [top, bottom], [left, right], none] as tf.backend_util.ExplicitPadding;
      return stock({ ...parameters, attrs: { ...parameters.attrs, pad: explicit } });
    });
  }
}

/**
 * Average pooling divides by the number of values that lie inside the image; its gradient in tfjs 4.22 divides by the
 * window's size, which is wrong at padded borders. dy is scaled by the one over the other before it.
 */
export function repairAveragePoolGradient(backendName: 'wasm' | 'cpu'): void {
  replaceKernel('AvgPoolGrad', backendName, (stock) => (parameters) => {
    const { dy, input } = parameters.inputs as unknown as Record<'dy' | 'input', tf.Tensor4D>;
    const window = poolWindow(input.shape, parameters.attrs as unknown as PoolAttributes);
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
