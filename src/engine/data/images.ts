import * as tf from '@tensorflow/tfjs-core';
import type { Normalization } from '../../core/config/normalizationSchema.js';
import type { DataImage } from '../../protocol/images.js';
import type { ImageBytes, Labels, Split } from './split.js';

/** A pixel value as the network sees it: (v − mean) / scale of its channel. */
export function normalise(pixel: number, { mean, scale }: Normalization, channel: number): number {
  return (pixel - mean[channel]!) / scale[channel]!;
}

/** What a normalised value was, not rounded. */
export function denormalise(value: number, { mean, scale }: Normalization, channel: number): number {
  return value * scale[channel]! + mean[channel]!;
}

/** All 256 pixel values of each channel, one channel after another. */
function tableOf(normalization: Normalization, channels: number): Float32Array {
  return Float32Array.from({ length: 256 * channels }, (_, i) => normalise(i & 255, normalization, i >> 8));
}

/** Normalised images of a split, as a tensor [indices, H, W, C]. */
export function imageTensor(
  images: ImageBytes,
  shape: readonly [height: number, width: number, channels: number],
  indices: ArrayLike<number>,
  normalization: Normalization,
): tf.Tensor4D {
  const channels = shape[2];
  const table = tableOf(normalization, channels);
  const pixels = shape[0] * shape[1] * shape[2];
  const values = new Float32Array(indices.length * pixels);
  for (let i = 0; i < indices.length; i++) {
    const image = images.subarray(indices[i]! * pixels, (indices[i]! + 1) * pixels);
    const to = i * pixels;
    for (let p = 0; p < pixels; p++) values[to + p] = table[((p % channels) << 8) | image[p]!]!;
  }
  return tf.tensor4d(values, [indices.length, ...shape]);
}

/** Labels of a split, as an int32 tensor [indices]. */
export function labelTensor(labels: Labels, indices: ArrayLike<number>): tf.Tensor1D {
  return tf.tensor1d(
    Int32Array.from({ length: indices.length }, (_, i) => labels[indices[i]!]!),
    'int32',
  );
}

/**
 * The images of a split in their order, in batches.
 * @param limit at most so many images from the start
 */
export function* inOrder(split: Split, batch: number, limit = split.count): Generator<Uint32Array> {
  const count = Math.min(limit, split.count);
  for (let start = 0; start < count; start += batch)
    yield Uint32Array.from({ length: Math.min(batch, count - start) }, (_, i) => start + i);
}

/** One image of a split, for a panel. */
export function dataImage(
  split: Split,
  shape: readonly [height: number, width: number, channels: number],
  index: number,
): DataImage {
  const size = shape[0] * shape[1] * shape[2];
  const pixels = Buffer.from(split.images.subarray(index * size, (index + 1) * size)).toString('base64');
  return { index, label: split.labels[index]!, shape: [...shape], pixels };
}
