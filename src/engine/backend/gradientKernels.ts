import * as tf from '@tensorflow/tfjs-core';
import type { KernelModule } from './kernelModule.js';
import { poolWindow, type WindowAttributes } from './repairs.js';

interface ConvolutionAttributes extends WindowAttributes {
  readonly dataFormat: 'NHWC' | 'NCHW';
}

type Shape4D = [number, number, number, number];

/**
 * Give the wasm backend the gradients it lacks or has slowly: of a convolution to its filter and its input, and of
 * max pooling. The input's is a forward convolution, which XNNPACK runs fast.
 */
export function registerGradientKernels(module: KernelModule): void {
  registerOver('Conv2DBackpropFilter', (inputs, attributes) => {
    const { x, dy } = inputs as Record<'x' | 'dy', tf.TensorInfo>;
    const { filterShape, ...rest } = attributes as ConvolutionAttributes & { filterShape: Shape4D };
    return filterGradient(module, x, dy, windowOf(x.shape as Shape4D, filterShape, rest));
  });
  registerOver('Conv2DBackpropInput', (inputs, attributes) => {
    const { dy, filter } = inputs as Record<'dy' | 'filter', tf.Tensor4D>;
    const { inputShape, ...rest } = attributes as ConvolutionAttributes & { inputShape: Shape4D };
    return tf.tidy(() => inputGradient(dy, filter, inputShape, windowOf(inputShape, filter.shape, rest)));
  });
  registerOver('MaxPoolGrad', (inputs, attributes) => {
    const { dy, input, output } = inputs as Record<'dy' | 'input' | 'output', tf.TensorInfo>;
    const window = poolWindow(input.shape, attributes as Parameters<typeof poolWindow>[1]);
    return maxPoolGradient(module, { dy, x: input, y: output }, window);
  });
}

function registerOver(
  kernelName: string,
  kernel: (inputs: Readonly<Record<string, tf.TensorInfo>>, attributes: object) => tf.TensorInfo,
): void {
  if (tf.getKernel(kernelName, 'wasm') !== undefined) tf.unregisterKernel(kernelName, 'wasm');
  tf.registerKernel({
    kernelName,
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs }) => kernel(inputs as Readonly<Record<string, tf.TensorInfo>>, attrs ?? {}),
  });
}

function windowOf(
  xShape: Shape4D,
  filterShape: Shape4D,
  { strides, pad, dataFormat, dimRoundingMode }: ConvolutionAttributes,
): tf.backend_util.Conv2DInfo {
  if (dataFormat !== 'NHWC') throw new Error(`The wasm backend has no ${dataFormat} convolution gradients.`);
  return tf.backend_util.computeConv2DInfo(xShape, filterShape, strides, 1, pad, dimRoundingMode);
}

/** dL/dw, by a kernel of ours: tfjs has none for this backend. */
function filterGradient(
  module: KernelModule,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  window: tf.backend_util.Conv2DInfo,
): tf.TensorInfo {
  const out = module.output(window.filterShape);
  const frameHeight = (window.outHeight - 1) * window.strideHeight + window.filterHeight;
  const frameWidth = (window.outWidth - 1) * window.strideWidth + window.filterWidth;
  const frame = frameHeight * frameWidth * window.inChannels + 4;
  const depth = (window.filterWidth * window.inChannels + 3) & ~3;
  const sums = window.filterHeight * depth * ((window.outChannels + 7) & ~7);
  module.withScratch(frame + sums, (scratch) =>
    module.kernels.filterGradient(
      window.batchSize,
      window.inHeight,
      window.inWidth,
      window.inChannels,
      window.filterHeight,
      window.filterWidth,
      window.outChannels,
      window.strideHeight,
      window.strideWidth,
      window.padInfo.top,
      window.padInfo.left,
      window.outHeight,
      window.outWidth,
      module.address(x),
      module.address(dy),
      scratch,
      scratch + 4 * frame,
      module.address(out),
    ),
  );
  return out;
}

/** The gradient of max pooling, by a kernel of ours: tfjs's runs in plain JavaScript. */
function maxPoolGradient(
  module: KernelModule,
  { dy, x, y }: Readonly<Record<'dy' | 'x' | 'y', tf.TensorInfo>>,
  window: tf.backend_util.Conv2DInfo,
): tf.TensorInfo {
  const dx = module.zeros(window.inShape);
  module.kernels.maxPoolGradient(
    window.batchSize,
    window.inHeight,
    window.inWidth,
    window.inChannels,
    window.effectiveFilterHeight,
    window.effectiveFilterWidth,
    window.strideHeight,
    window.strideWidth,
    window.padInfo.top,
    window.padInfo.left,
    window.outHeight,
    window.outWidth,
    module.address(x),
    module.address(y),
    module.address(dy),
    module.address(dx),
  );
  return dx;
}

/** dL/dx = dy, spread by the stride, convolved with w flipped in both directions and transposed. */
function inputGradient(
  dy: tf.Tensor4D,
  filter: tf.Tensor4D,
  inputShape: Shape4D,
  window: tf.backend_util.Conv2DInfo,
): tf.Tensor4D {
  const { strideHeight, strideWidth, filterHeight, filterWidth, padInfo } = window;
  const [, height, width] = inputShape;
  const spread = spreadOut(dy, strideHeight, strideWidth);
  const top = filterHeight - 1 - padInfo.top;
  const left = filterWidth - 1 - padInfo.left;
  const padding: tf.backend_util.ExplicitPadding = [
    [0, 0],
    [top, height + filterHeight - 1 - top - spread.shape[1]],
    [left, width + filterWidth - 1 - left - spread.shape[2]],
    [0, 0],
  ];
  const flipped = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]) as tf.Tensor4D; // [K, K, F, Cin]
  return tf.conv2d(spread, flipped, 1, padding);
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
