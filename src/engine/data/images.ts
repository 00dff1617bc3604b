import * as tf from '@tensorflow/tfjs-core';
import type { DataImage } from '../../protocol/images.js';
import type { Split } from './dataSet.js';

/** Pixel values (0 to 255) are brought to about −1 to 1: (v − 127.5) / 128. */
export function normalise(pixel: number): number {
  return (pixel - 127.5) / 128;
}

const normalised = Float32Array.from({ length: 256 }, (_, pixel) => normalise(pixel));

/** Normalised images of a split, as a tensor [indices, H, W, C]. */
export function imageTensor(
  images: Uint8Array,
  shape: readonly [height: number, width: number, channels: number],
  indices: ArrayLike<number>,
): tf.Tensor4D {
  const pixels = shape[0] * shape[1] * shape[2];
  const values = new Float32Array(indices.length * pixels);
  for (let i = 0; i < indices.length; i++) {
    const from = indices[i]! * pixels;
    const to = i * pixels;
    for (let p = 0; p < pixels; p++) values[to + p] = normalised[images[from + p]!]!;
  }
  return tf.tensor4d(values, [indices.length, ...shape]);
}

/** Labels of a split, as an int32 tensor [indices]. */
export function labelTensor(labels: Uint8Array, indices: ArrayLike<number>): tf.Tensor1D {
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
