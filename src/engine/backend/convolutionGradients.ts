import * as tf from '@tensorflow/tfjs-core';

interface ConvolutionAttributes {
  readonly strides: [number, number] | number;
  readonly pad: 'same' | 'valid' | number | tf.backend_util.ExplicitPadding;
  readonly dataFormat: 'NHWC' | 'NCHW';
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Window = Pick<
  tf.backend_util.Conv2DInfo,
  'strideHeight' | 'strideWidth' | 'filterHeight' | 'filterWidth' | 'padInfo' | 'outHeight' | 'outWidth'
>;

/**
 * Give the wasm backend the gradients of a convolution: tfjs has no kernel for the filter's and a slow one for the
 * input's. Both are forward convolutions, which XNNPACK runs fast.
 */
export function registerConvolutionGradients(): void {
  tf.registerKernel({
    kernelName: 'Conv2DBackpropFilter',
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs }) => {
      const { x, dy } = inputs as unknown as { x: tf.Tensor4D; dy: tf.Tensor4D };
      const { filterShape, ...rest } = attrs as unknown as ConvolutionAttributes & {
        filterShape: [number, number, number, number];
      };
      return tf.tidy(() => filterGradient(x, dy, windowOf(x.shape, filterShape, rest)));
    },
  });
  tf.unregisterKernel('Conv2DBackpropInput', 'wasm');
  tf.registerKernel({
    kernelName: 'Conv2DBackpropInput',
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs }) => {
      const { dy, filter } = inputs as unknown as { dy: tf.Tensor4D; filter: tf.Tensor4D };
      const { inputShape, ...rest } = attrs as unknown as ConvolutionAttributes & {
        inputShape: [number, number, number, number];
      };
      return tf.tidy(() => inputGradient(dy, filter, inputShape, windowOf(inputShape, filter.shape, rest)));
    },
  });
}

function windowOf(
  xShape: [number, number, number, number],
  filterShape: [number, number, number, number],
  { strides, pad, dataFormat, dimRoundingMode }: ConvolutionAttributes,
): Window {
  if (dataFormat !== 'NHWC') throw new Error(`The wasm backend has no ${dataFormat} convolution gradients.`);
  return tf.backend_util.computeConv2DInfo(xShape, filterShape, strides, 1, pad, dimRoundingMode);
}

/**
 * dL/dw = x ∗ dy with batch and channels swapped: a convolution of [Cin, H, W, N] with the filter [H′, W′, N, F],
 * dilated by the stride.
 */
function filterGradient(x: tf.Tensor4D, dy: tf.Tensor4D, window: Window): tf.Tensor4D {
  const { top, bottom, left, right } = window.padInfo;
  const padded = tf.pad(tf.transpose(x, [3, 1, 2, 0]), [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ]) as tf.Tensor4D; // [Cin, Hp, Wp, N]
  const filter = tf.transpose(dy, [1, 2, 0, 3]) as tf.Tensor4D; // [H′, W′, N, F]
  const full = tf.conv2d(padded, filter, 1, 'valid', 'NHWC', [window.strideHeight, window.strideWidth]);
  // The stride may leave rows and columns that no patch reached.
  const reached = tf.slice(full, [0, 0, 0, 0], [-1, window.filterHeight, window.filterWidth, -1]);
  return tf.transpose(reached, [1, 2, 0, 3]); // [K, K, Cin, F]
}

/** dL/dx = dy, spread by the stride and padded, convolved with w flipped in both directions and transposed. */
function inputGradient(
  dy: tf.Tensor4D,
  filter: tf.Tensor4D,
  inputShape: [number, number, number, number],
  window: Window,
): tf.Tensor4D {
  const { strideHeight, strideWidth, filterHeight, filterWidth, padInfo } = window;
  const [, height, width] = inputShape;
  const spread = spreadOut(dy, strideHeight, strideWidth);
  const top = filterHeight - 1 - padInfo.top;
  const left = filterWidth - 1 - padInfo.left;
  const padded = tf.pad(spread, [
    [0, 0],
    [top, height + filterHeight - 1 - top - spread.shape[1]],
    [left, width + filterWidth - 1 - left - spread.shape[2]],
    [0, 0],
  ]) as tf.Tensor4D;
  const flipped = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]) as tf.Tensor4D; // [K, K, F, Cin]
  return tf.conv2d(padded, flipped, 1, 'valid');
}

/** Insert `stride − 1` zeros between rows and columns: [N, H′, W′, F] → [N, (H′−1)·s+1, (W′−1)·s+1, F]. */
function spreadOut(dy: tf.Tensor4D, strideHeight: number, strideWidth: number): tf.Tensor4D {
  if (strideHeight === 1 && strideWidth === 1) return dy;
  const [batch, height, width, channels] = dy.shape;
  const columns = tf.pad(tf.reshape(dy, [batch * height, width, 1, channels]), [
    [0, 0],
    [0, 0],
    [0, strideWidth - 1],
    [0, 0],
  ]);
  const rows = tf.pad(tf.reshape(columns, [batch, height, 1, width * strideWidth * channels]), [
    [0, 0],
    [0, 0],
    [0, strideHeight - 1],
    [0, 0],
  ]);
  const all = tf.reshape(rows, [batch, height * strideHeight, width * strideWidth, channels]);
  return tf.slice(
    all,
    [0, 0, 0, 0],
    [batch, (height - 1) * strideHeight + 1, (width - 1) * strideWidth + 1, channels],
  ) as tf.Tensor4D;
}
