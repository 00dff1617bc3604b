import { shuffledOrder } from '../../core/random.js';

/** Steps of one epoch: as few as hold every image once with at most `batch` images each. */
export function stepsPerEpoch(images: number, batch: number): number {
  return Math.ceil(images / batch);
}

/** The order of the training images in an epoch (from 0): depends on the seed and the epoch alone. */
export function epochOrder(images: number, seed: number, epoch: number): Uint32Array {
  return shuffledOrder(images, seed, `order of epoch ${epoch}`);
}

/**
 * The images of a step of an epoch. Every image comes once an epoch, and the batches differ by one image at most: a
 * small last batch would give the batch statistics (batch normalisation, adaptive radius) a noisy sample.
 * @param step step in the epoch, from 0
 */
export function batchOf(order: Uint32Array, step: number, steps: number): Uint32Array {
  return order.subarray(
    Math.floor((step * order.length) / steps),
    Math.floor(((step + 1) * order.length) / steps),
  );
}
