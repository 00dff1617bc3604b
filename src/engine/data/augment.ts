import type { AugmentationConfig } from '../../core/config/trainingSchema.js';
import { uniformIntegers } from '../../core/random.js';
import { cut } from './crop.js';

type Shape = readonly [height: number, width: number, channels: number];

/** The random changes of one epoch. */
export interface Augmenter {
  /**
   * @param images [indices, H, W, C]
   * @param indices which images of the split these are
   * @returns [indices, H, W, C] as the network takes them
   */
  apply(images: Uint8Array, indices: ArrayLike<number>): Uint8Array;
}

/**
 * Mirror pad (the edge repeated), random crop, back to the size or to that of `crop`, then a random flip, as the authors do on CIFAR. All
 * draws of an epoch are made at once, so that what becomes of an image depends on seed, epoch and image alone: not on
 * the batch, on where a training was resumed, or on who computes.
 * @param count images of the split
 * @param epoch from 0
 */
export function augmenterOf(
  { mirrorPad, crop, flip }: AugmentationConfig,
  shape: Shape,
  count: number,
  seed: number,
  epoch: number,
): Augmenter {
  const draw = (what: string, limit: number): Uint16Array =>
    uniformIntegers(count, limit, seed, `${what} of epoch ${epoch}`);
  const [height, width] = crop ?? shape;
  const rows = draw('crop rows', shape[0] + 2 * mirrorPad - height + 1);
  const columns = draw('crop columns', shape[1] + 2 * mirrorPad - width + 1);
  const flips = draw('flips', flip ? 2 : 1);
  const size = shape[0] * shape[1] * shape[2];
  const seen = height * width * shape[2];
  return {
    apply(images, indices) {
      const changed = new Uint8Array(indices.length * seen);
      for (let i = 0; i < indices.length; i++) {
        const index = indices[i]!;
        const from = images.subarray(i * size, (i + 1) * size);
        const to = changed.subarray(i * seen, (i + 1) * seen);
        const window = {
          row: rows[index]! - mirrorPad,
          column: columns[index]! - mirrorPad,
          flipped: flips[index] === 1,
        };
        cut(from, to, shape, [height, width], window);
      }
      return changed;
    },
  };
}
