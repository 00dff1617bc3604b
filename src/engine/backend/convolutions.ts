import * as tf from '@tensorflow/tfjs-core';
import type { KernelModule } from './kernelModule.js';
import { replaceKernel, type Shape4D, type WindowAttributes } from './replaceKernel.js';

type Window = tf.backend_util.Conv2DInfo;

export interface ConvolutionAttributes extends WindowAttributes {
  readonly dataFormat: 'NHWC' | 'NCHW';
  readonly dilations?: [number, number] | number;
  /** Of the fused kernel only. */
  readonly activation?: string;
}

/**
 * Convolutions and both their gradients for the wasm backend, by kernels of our own: tfjs has none for the filter's
 * gradient, a slow one for the input's, and its convolution answers zeros where 'same' padding meets a stride above
 * the kernel's size.
 */
export function registerConvolutions(module: KernelModule): void {
  for (const kernelName of ['Conv2D', 'FusedConv2D']) {
    replaceKernel(kernelName, 'wasm', (stock) => (parameters) => {
      const { x, filter, bias } = parameters.inputs as Record<'x' | 'filter' | 'bias', tf.TensorInfo>;
      const attributes = parameters.attrs as unknown as ConvolutionAttributes;
      const window = windowOf(x.shape, filter.shape, attributes);
      const isPlain = window.dilationHeight === 1 && window.dilationWidth === 1 && isBare(bias, attributes);
      if (isPlain) return convolution(module, x, filter, window);
      const { top, bottom, left, right } = window.padInfo;
      const none = [0, 0];
      const pad = [none, [top, bottom], [left, right], none] as tf.backend_util.ExplicitPadding;
      return stock({ ...parameters, attrs: { ...parameters.attrs, pad } });
    });
  }
  replaceKernel('Conv2DBackpropInput', 'wasm', () => ({ inputs, attrs }) => {
    const { dy, filter } = inputs as Record<'dy' | 'filter', tf.TensorInfo>;
    const { inputShape, ...rest } = attrs as unknown as ConvolutionAttributes & { inputShape: Shape4D };
    return inputGradient(module, dy, filter, windowOf(inputShape, filter.shape, rest));
  });
  replaceKernel('Conv2DBackpropFilter', 'wasm', () => ({ inputs, attrs }) => {
    const { x, dy } = inputs as Record<'x' | 'dy', tf.TensorInfo>;
    const { filterShape, ...rest } = attrs as unknown as ConvolutionAttributes & { filterShape: Shape4D };
    return filterGradient(module, x, dy, windowOf(x.shape, filterShape, rest));
  });
}

/** Whether a kernel that could do more to a convolution's output is asked for the convolution alone. */
export function isBare(
  bias: tf.TensorInfo | undefined,
  { activation = 'linear' }: Pick<ConvolutionAttributes, 'activation'>,
): boolean {
  return bias === undefined && activation === 'linear';
}

/** A convolution's sizes; ours are of images with their channels last. */
export function windowOf(
  xShape: readonly number[],
  filterShape: readonly number[],
  { strides, pad, dataFormat, dimRoundingMode, dilations = 1 }: ConvolutionAttributes,
): Window {
  if (dataFormat !== 'NHWC') throw new Error(`There is no kernel for ${dataFormat} convolutions here.`);
  return tf.backend_util.computeConv2DInfo(
    [...xShape] as Shape4D,
    [...filterShape] as Shape4D,
    strides,
    dilations,
    pad,
    dimRoundingMode,
  );
}

export const upTo = (multiple: number, length: number): number => Math.ceil(length / multiple) * multiple;

/** Floats of the zero-padded frame that one image is copied into. */
function frameSize(
  [outHeight, outWidth]: readonly [number, number],
  [strideHeight, strideWidth]: readonly [number, number],
  window: Window,
  channels: number,
): number {
  const height = (outHeight - 1) * strideHeight + window.filterHeight;
  const width = (outWidth - 1) * strideWidth + window.filterWidth;
  return height * width * channels;
}

/** Images of a convolution's output that were computed last, and where they lie. */
export interface FreshImages {
  readonly first: number;
  readonly count: number;
  readonly output: number;
}

/**
 * A convolution's kernel.
 * @param finish does something to each few images of the output, in place, while the cache has them
 */
export function convolution(
  module: KernelModule,
  x: tf.TensorInfo,
  filter: tf.TensorInfo,
  window: Window,
  finish?: (images: FreshImages) => void,
): tf.TensorInfo {
  const { filterHeight, filterWidth, inChannels, outChannels, outHeight, outWidth } = window;
  const { strideHeight, strideWidth, padInfo } = window;
  const out = module.output(window.outShape);
  if (isTiled(window)) {
    const filters = { inputStep: outChannels, outputStep: 1, flipped: false };
    convolveTiles(module, x, filter, filters, sizesOf(window), out, finish);
    return out;
  }
  const panels = filterHeight * filterWidth * inChannels * upTo(8, outChannels);
  const frame = frameSize([outHeight, outWidth], [strideHeight, strideWidth], window, inChannels);
  module.withScratch(panels + frame, (scratch) => {
    const shape = [filterHeight, filterWidth, inChannels, outChannels];
    module.kernels.packFilters(...shape, module.address(filter), scratch);
    inFewImages(module, x, out, finish, (images, input, output) =>
      module.kernels.convolve(
        ...[images, window.inHeight, window.inWidth, inChannels],
        ...[1, 1, filterHeight, filterWidth, outChannels],
        ...[strideHeight, strideWidth, padInfo.top, padInfo.left, outHeight, outWidth],
        ...[input, scratch, scratch + 4 * panels, output],
      ),
    );
  });
  return out;
}

/** Bytes of a convolution's output that the second-level cache still has when they are computed. */
const freshBytes = 2 ** 18;

/** Compute all images at once or, where something finishes them, as many at a time as stay in the cache. */
function inFewImages(
  module: KernelModule,
  x: tf.TensorInfo,
  out: tf.TensorInfo,
  finish: ((images: FreshImages) => void) | undefined,
  compute: (images: number, input: number, output: number) => void,
): void {
  const images = x.shape[0]!;
  const [inputBytes, outputBytes] = [x, out].map(({ shape }) => 4 * tf.util.sizeFromShape(shape.slice(1)));
  const few = finish === undefined ? images : Math.max(1, Math.floor(freshBytes / outputBytes!));
  for (let first = 0; first < images; first += few) {
    const count = Math.min(few, images - first);
    const output = module.address(out) + first * outputBytes!;
    compute(count, module.address(x) + first * inputBytes!, output);
    finish?.({ first, count, output });
  }
}

/** dL/dx = dy, spread by the stride, convolved with w flipped in both directions and transposed. */
function inputGradient(
  module: KernelModule,
  dy: tf.TensorInfo,
  filter: tf.TensorInfo,
  window: Window,
): tf.TensorInfo {
  const { filterHeight, filterWidth, inChannels, outChannels, inHeight, inWidth, padInfo } = window;
  const dx = module.output(window.inShape);
  if (isTiled(window)) {
    const filters = { inputStep: 1, outputStep: outChannels, flipped: true };
    convolveTiles(module, dy, filter, filters, flippedSizes(window), dx);
    return dx;
  }
  const panels = filterHeight * filterWidth * outChannels * upTo(8, inChannels);
  const frame = frameSize([inHeight, inWidth], [1, 1], window, outChannels);
  module.withScratch(panels + frame, (scratch) => {
    const shape = [filterHeight, filterWidth, inChannels, outChannels];
    module.kernels.packFlippedFilters(...shape, module.address(filter), scratch);
    module.kernels.convolve(
      ...[window.batchSize, window.outHeight, window.outWidth, outChannels],
      ...[window.strideHeight, window.strideWidth, filterHeight, filterWidth, inChannels],
      ...[1, 1, filterHeight - 1 - padInfo.top, filterWidth - 1 - padInfo.left, inHeight, inWidth],
      ...[module.address(dy), scratch, scratch + 4 * panels, module.address(dx)],
    );
  });
  return dx;
}

function filterGradient(
  module: KernelModule,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  window: Window,
): tf.TensorInfo {
  const { filterHeight, filterWidth, inChannels, outChannels, outHeight, outWidth } = window;
  const { strideHeight, strideWidth, padInfo } = window;
  const out = module.output(window.filterShape);
  if (isTiled(window)) {
    filterGradientOfTiles(module, x, dy, sizesOf(window), out);
    return out;
  }
  const sums = filterHeight * upTo(4, filterWidth * inChannels) * upTo(8, outChannels);
  // Values are read four at a time, beyond the frame's end too.
  const frame = frameSize([outHeight, outWidth], [strideHeight, strideWidth], window, inChannels) + 4;
  module.withScratch(frame + sums, (scratch) =>
    module.kernels.filterGradient(
      ...[window.batchSize, window.inHeight, window.inWidth, inChannels],
      ...[filterHeight, filterWidth, outChannels],
      ...[strideHeight, strideWidth, padInfo.top, padInfo.left, outHeight, outWidth],
      ...[module.address(x), module.address(dy), scratch, scratch + 4 * frame, module.address(out)],
    ),
  );
  return out;
}

/** Fewest channels, in and out, for which tiles save time: with less, their transforms cost more than they save. */
const fewestTiledChannels = 8;

/** Whether a convolution and its gradients are computed in tiles, by minimal filtering (kernels/winograd.ts). */
function isTiled(window: Window): boolean {
  return (
    hasTiles(window) && window.inChannels >= fewestTiledChannels && window.outChannels >= fewestTiledChannels
  );
}

/** Whether a convolution falls into the tiles of minimal filtering F(2×2, 3×3). */
export function hasTiles(window: Window): boolean {
  return (
    window.filterHeight === 3 &&
    window.filterWidth === 3 &&
    window.strideHeight === 1 &&
    window.strideWidth === 1 &&
    window.dilationHeight === 1 &&
    window.dilationWidth === 1
  );
}

/** Sizes of a convolution with 3×3 filters and stride 1. */
interface TiledSizes {
  readonly images: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly filters: number;
  readonly padTop: number;
  readonly padLeft: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

function sizesOf({ batchSize, inHeight, inWidth, inChannels, padInfo, ...window }: Window): TiledSizes {
  return {
    images: batchSize,
    height: inHeight,
    width: inWidth,
    channels: inChannels,
    filters: window.outChannels,
    padTop: padInfo.top,
    padLeft: padInfo.left,
    outHeight: window.outHeight,
    outWidth: window.outWidth,
  };
}

/** Of the convolution that takes dy back to dx. */
function flippedSizes({
  batchSize,
  outHeight,
  outWidth,
  outChannels,
  padInfo,
  ...window
}: Window): TiledSizes {
  return {
    images: batchSize,
    height: outHeight,
    width: outWidth,
    channels: outChannels,
    filters: window.inChannels,
    padTop: 2 - padInfo.top,
    padLeft: 2 - padInfo.left,
    outHeight: window.inHeight,
    outWidth: window.inWidth,
  };
}

/** The numbers that the tiled kernels take after that of the images, and the floats of their scratch. */
function tiling(sizes: TiledSizes) {
  const { height, width, channels, filters, padTop, padLeft, outHeight, outWidth } = sizes;
  // Tiles of a block stay in the second-level cache from one step to the next.
  const block = Math.min(128, Math.max(16, upTo(4, Math.floor(4096 / Math.max(channels, filters)))));
  return {
    numbers: [height, width, channels, filters, padTop, padLeft, outHeight, outWidth, block],
    frame: (upTo(2, outHeight) + 2) * (upTo(2, outWidth) + 2) * channels + 4,
    tiles: 16 * (block * upTo(4, channels) + 16),
    products: 16 * (block * upTo(8, filters) + 16),
  };
}

/** Where `filter` has the inputs and outputs of a convolution. */
interface FilterLayout {
  readonly inputStep: number;
  readonly outputStep: number;
  readonly flipped: boolean;
}

function convolveTiles(
  module: KernelModule,
  x: tf.TensorInfo,
  filter: tf.TensorInfo,
  { inputStep, outputStep, flipped }: FilterLayout,
  sizes: TiledSizes,
  out: tf.TensorInfo,
  finish?: (images: FreshImages) => void,
): void {
  const { channels, filters } = sizes;
  const { numbers, frame, tiles, products } = tiling(sizes);
  const panels = 16 * channels * upTo(8, filters);
  module.withScratch(panels + frame + tiles + products, (scratch) => {
    const layout = [channels, filters, inputStep, outputStep, Number(flipped)];
    module.kernels.transformFilters(...layout, module.address(filter), scratch);
    const frameAt = scratch + 4 * panels;
    const tilesAt = frameAt + 4 * frame;
    const buffers = [scratch, frameAt, tilesAt, tilesAt + 4 * tiles];
    inFewImages(module, x, out, finish, (images, input, output) =>
      module.kernels.convolveTiles(images, ...numbers, input, ...buffers, output),
    );
  });
}

function filterGradientOfTiles(
  module: KernelModule,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  sizes: TiledSizes,
  out: tf.TensorInfo,
): void {
  const { numbers, frame, tiles, products } = tiling(sizes);
  const sums = 16 * upTo(4, sizes.channels) * upTo(8, sizes.filters);
  module.withScratch(frame + tiles + products + sums, (scratch) => {
    const tilesAt = scratch + 4 * frame;
    const productsAt = tilesAt + 4 * tiles;
    module.kernels.filterGradientOfTiles(
      sizes.images,
      ...numbers,
      ...[module.address(x), module.address(dy), scratch, tilesAt, productsAt],
      ...[productsAt + 4 * products, module.address(out)],
    );
  });
}
