import * as tf from '@tensorflow/tfjs-core';
import { type Call, type KernelTask, scratchAt } from './kernelCalls.js';
import { type KernelModule, leastOf, type Stretch, sharesOf } from './kernelModule.js';
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

/** Whether each image is one pixel under one filter of one pixel: a decoupled dense layer's are. */
function isOfPoints({ inHeight, inWidth, filterHeight, filterWidth, outHeight, outWidth }: Window): boolean {
  return [inHeight, inWidth, filterHeight, filterWidth, outHeight, outWidth].every((length) => length === 1);
}

/** What `convolve` takes of a product of a row of pixels with filters of one pixel: four pixels are computed together. */
export function rowOfPoints(pixels: number, channels: number, filters: number): readonly number[] {
  return [...[1, 1, pixels, channels], ...[1, 1, 1, 1, filters], ...[1, 1, 0, 0, 1, pixels]];
}

/** aᵀ·b of rows a [R, C] and b [R, F] into `out` [C, F]: the gradient of filters of one pixel. */
export function sumOfProducts(
  module: KernelModule,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  [rows, channels, filters]: readonly [rows: number, channels: number, filters: number],
  out: tf.TensorInfo,
): void {
  const frame = rows * channels + 4;
  inRows(module, channels, filters * rows, ({ first, count }) => ({
    call: [
      'filterGradient',
      ...[1, 1, rows, channels, 1, 1, filters, 1, 1, 0, 0, 1, rows, first, first + count],
      ...[module.address(a), module.address(b), scratchAt, scratchAt + 4 * frame, module.address(out)],
    ],
    scratch: frame + upTo(4, count) * upTo(8, filters),
  }));
}

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
export interface FreshImages extends Stretch {
  readonly output: number;
  /** Of the thread's own memory, what {@link Finish} asked for. */
  readonly scratch: number;
}

/** What is done to each few images of a convolution's output, in place, while the cache has them. */
export interface Finish {
  /** Floats of a thread's own memory. */
  readonly scratch: number;
  readonly calls: (images: FreshImages) => KernelTask;
}

/** A convolution's kernel. */
export function convolution(
  module: KernelModule,
  x: tf.TensorInfo,
  filter: tf.TensorInfo,
  window: Window,
  finish?: Finish,
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
  const frame = isOfPoints(window)
    ? window.batchSize * inChannels
    : frameSize([outHeight, outWidth], [strideHeight, strideWidth], window, inChannels);
  module.withScratch(panels, (packed) => {
    const shape = [filterHeight, filterWidth, inChannels, outChannels];
    const taps = filterHeight * filterWidth * inChannels;
    inPanels(module, outChannels, taps, (range) => [
      ['packFilters', ...shape, ...range, module.address(filter), packed],
    ]);
    inFewImages(module, x, out, frame, finish, (images, input, output) => [
      'convolve',
      ...(isOfPoints(window)
        ? rowOfPoints(images, inChannels, outChannels)
        : [
            ...[images, window.inHeight, window.inWidth, inChannels],
            ...[1, 1, filterHeight, filterWidth, outChannels],
            ...[strideHeight, strideWidth, padInfo.top, padInfo.left, outHeight, outWidth],
          ]),
      ...[input, packed, scratchAt, output],
    ]);
  });
  return out;
}

/** Bytes of a convolution's output that the second-level cache still has when they are computed. */
const freshBytes = 2 ** 18;

/**
 * Compute a stretch of the images at once or, where something finishes them, as many at a time as stay in the cache.
 * @param scratch floats of a thread's own memory that `compute` takes, from `scratchAt` on
 */
function inFewImages(
  module: KernelModule,
  x: tf.TensorInfo,
  out: tf.TensorInfo,
  scratch: number,
  finish: Finish | undefined,
  compute: (images: number, input: number, output: number) => Call,
): void {
  const images = x.shape[0]!;
  const [inputBytes, outputBytes] = [x, out].map(({ shape }) => 4 * tf.util.sizeFromShape(shape.slice(1)));
  const few = finish === undefined ? images : Math.max(1, Math.floor(freshBytes / outputBytes!));
  const own = upTo(4, scratch);
  const tasks = module.stretchesOf(images, leastOf(outputBytes! / 4)).map(({ first, count }) => {
    const calls: Call[] = [];
    const end = first + count;
    for (let from = first; from < end; from += few) {
      const some = { first: from, count: Math.min(few, end - from) };
      const output = module.address(out) + from * outputBytes!;
      calls.push(compute(some.count, module.address(x) + from * inputBytes!, output));
      if (finish !== undefined)
        calls.push(...finish.calls({ ...some, output, scratch: scratchAt + 4 * own }));
    }
    return calls;
  });
  module.run(tasks, own + (finish?.scratch ?? 0));
}

/** Have panels of eight filters made; `make` gets the first and the end of some. */
export function inPanels(
  module: KernelModule,
  filters: number,
  valuesOfFilter: number,
  make: (range: readonly [number, number]) => KernelTask,
): void {
  const panels = Math.ceil(filters / 8);
  const tasks = module
    .stretchesOf(panels, leastOf(8 * valuesOfFilter))
    .map(({ first, count }) => make([8 * first, Math.min(filters, 8 * (first + count))]));
  module.run(tasks);
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
  const frame = isOfPoints(window)
    ? window.batchSize * outChannels
    : frameSize([inHeight, inWidth], [1, 1], window, outChannels);
  module.withScratch(panels, (packed) => {
    const shape = [filterHeight, filterWidth, inChannels, outChannels];
    const taps = filterHeight * filterWidth * outChannels;
    inPanels(module, inChannels, taps, (range) => [
      ['packFlippedFilters', ...shape, ...range, module.address(filter), packed],
    ]);
    inFewImages(module, dy, dx, frame, undefined, (images, input, output) => [
      'convolve',
      ...(isOfPoints(window)
        ? rowOfPoints(images, outChannels, inChannels)
        : [
            ...[images, window.outHeight, window.outWidth, outChannels],
            ...[window.strideHeight, window.strideWidth, filterHeight, filterWidth, inChannels],
            ...[1, 1, filterHeight - 1 - padInfo.top, filterWidth - 1 - padInfo.left, inHeight, inWidth],
          ]),
      ...[input, packed, scratchAt, output],
    ]);
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
  if (isOfPoints(window)) {
    sumOfProducts(module, x, dy, [window.batchSize, inChannels, outChannels], out);
    return out;
  }
  // Values are read four at a time, beyond the frame's end too.
  const frame = frameSize([outHeight, outWidth], [strideHeight, strideWidth], window, inChannels) + 4;
  const depth = filterWidth * inChannels;
  const patches = window.batchSize * outHeight * outWidth;
  inRows(module, depth, filterHeight * outChannels * patches, ({ first, count }) => ({
    call: [
      'filterGradient',
      ...[window.batchSize, window.inHeight, window.inWidth, inChannels],
      ...[filterHeight, filterWidth, outChannels],
      ...[strideHeight, strideWidth, padInfo.top, padInfo.left, outHeight, outWidth],
      ...[first, first + count, module.address(x), module.address(dy)],
      ...[scratchAt, scratchAt + 4 * frame, module.address(out)],
    ],
    scratch: frame + filterHeight * upTo(4, count) * upTo(8, outChannels),
  }));
  return out;
}

/**
 * Have the rows of a gradient computed, each by one thread, which sums over the whole batch.
 * @param products of a row; a quarter of a value's worth of work each
 */
function inRows(
  module: KernelModule,
  rows: number,
  products: number,
  compute: (rows: Stretch) => { readonly call: Call; readonly scratch: number },
): void {
  const fours = module.stretchesOf(Math.ceil(rows / 4), leastOf(products));
  const parts = fours.map(({ first, count }) =>
    compute({ first: 4 * first, count: Math.min(rows - 4 * first, 4 * count) }),
  );
  module.run(
    parts.map(({ call }) => [call]),
    Math.max(...parts.map(({ scratch }) => scratch)),
  );
}

/** Fewest channels, in and out, for which tiles save time: with less, their transforms cost more than they save. */
const fewestTiledChannels = 8;

/** Whether a convolution and its gradients are computed in tiles, by minimal filtering (kernels/winograd.ts). */
function isTiled(window: Window): boolean {
  return (
    hasTiles(window) && window.inChannels >= fewestTiledChannels && window.outChannels >= fewestTiledChannels
  );
}

/** Whether a convolution falls into the tiles of minimal filtering F(4×4, 3×3). */
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

/** Of kernels/winograd.ts: pixels of the output that a tile has in a row, its points, and floats behind a point's plane. */
const tileSize = 4;
const tilePoints = 36;
const planeGap = 16;

/** The numbers that the tiled kernels take after that of the images, and the floats of their scratch. */
function tiling(sizes: TiledSizes) {
  const { height, width, channels, filters, padTop, padLeft, outHeight, outWidth } = sizes;
  // Tiles of a block stay in the second-level cache from one step to the next.
  const block = Math.min(128, Math.max(16, upTo(4, Math.floor(2048 / Math.max(channels, filters)))));
  return {
    numbers: [height, width, channels, filters, padTop, padLeft, outHeight, outWidth, block],
    frame: (upTo(tileSize, outHeight) + 2) * (upTo(tileSize, outWidth) + 2) * channels + 4,
    tiles: tilePoints * (block * upTo(4, channels) + planeGap),
    products: tilePoints * (block * upTo(8, filters) + planeGap),
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
  finish?: Finish,
): void {
  const { channels, filters } = sizes;
  const { numbers, frame, tiles, products } = tiling(sizes);
  const panels = tilePoints * (channels * upTo(8, filters) + planeGap);
  module.withScratch(panels, (transformed) => {
    const layout = [channels, filters, inputStep, outputStep, Number(flipped)];
    inPanels(module, filters, tilePoints * channels, (range) => [
      ['transformFilters', ...layout, ...range, module.address(filter), transformed],
    ]);
    const tilesAt = scratchAt + 4 * frame;
    const buffers = [transformed, scratchAt, tilesAt, tilesAt + 4 * tiles];
    const scratch = frame + tiles + products;
    inFewImages(module, x, out, scratch, finish, (images, input, output) => [
      'convolveTiles',
      ...[images, ...numbers, input, ...buffers, output],
    ]);
  });
}

/** Tiles of a share of the batch whose sums are kept apart. */
const fewestTilesOfShare = 64;

function filterGradientOfTiles(
  module: KernelModule,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  sizes: TiledSizes,
  out: tf.TensorInfo,
): void {
  const { numbers, frame, tiles, products } = tiling(sizes);
  const { images, channels, filters, height, width, outHeight, outWidth } = sizes;
  const size = tilePoints * upTo(4, channels) * upTo(8, filters);
  const tilesOfImage = Math.ceil(outHeight / tileSize) * Math.ceil(outWidth / tileSize);
  // Each share has sums of its own: few enough that adding them up costs little beside the products.
  const shares = sharesOf(images, Math.ceil(fewestTilesOfShare / tilesOfImage));
  module.withScratch(shares.length * size, (sums) => {
    const tilesAt = scratchAt + 4 * frame;
    const buffers = [scratchAt, tilesAt, tilesAt + 4 * tiles];
    module.run(
      shares.map(({ first, count }, share) => {
        const input = module.address(x) + 4 * first * height * width * channels;
        const upstream = module.address(dy) + 4 * first * outHeight * outWidth * filters;
        const own = sums + 4 * share * size;
        return [['filterGradientOfTiles', count, ...numbers, input, upstream, ...buffers, own]];
      }),
      frame + tiles + products,
    );
    inRows(module, channels, tilePoints * filters * shares.length, ({ first, count }) => ({
      call: [
        'finishFilterGradient',
        ...[channels, filters, first, first + count, shares.length, sums, module.address(out)],
      ],
      scratch: 0,
    }));
  });
}
