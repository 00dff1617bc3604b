import type { AugmentationConfig } from '../../core/config/trainingSchema.js';
import { uniformIntegers } from '../../core/random.js';

type Shape = readonly [height: number, width: number, channels: number];

/** The random changes of one epoch. */
export interface Augmenter {
  /**
   * @param images [indices, H, W, C]
   * @param indices which images of the split these are
   * @returns as `images`, changed
   */
  apply(images: Uint8Array, indices: ArrayLike<number>): Uint8Array;
}

/**
 * Mirror pad (the edge repeated), random crop back to the size, then a random flip, as the authors do on CIFAR. All
 * draws of an epoch are made at once, so that what becomes of an image depends on seed, epoch and image alone: not on
 * the batch, on where a training was resumed, or on who computes.
 * @param count images of the split
 * @param epoch from 0
 */
export function augmenterOf(
  { mirrorPad, flip }: AugmentationConfig,
  shape: Shape,
  count: number,
  seed: number,
  epoch: number,
): Augmenter {
  const draw = (what: string, limit: number): Uint16Array =>
    uniformIntegers(count, limit, seed, `${what} of epoch ${epoch}`);
  const rows = draw('crop rows', 2 * mirrorPad + 1);
  const columns = draw('crop columns', 2 * mirrorPad + 1);
  const flips = draw('flips', flip ? 2 : 1);
  const size = shape[0] * shape[1] * shape[2];
  return {
    apply(images, indices) {
      const changed = new Uint8Array(images.length);
      for (let i = 0; i < indices.length; i++) {
        const index = indices[i]!;
        const [from, to] = [i * size, (i + 1) * size];
        const window = {
          row: rows[index]! - mirrorPad,
          column: columns[index]! - mirrorPad,
          flipped: flips[index] === 1,
        };
        cut(images.subarray(from, to), changed.subarray(from, to), shape, window);
      }
      return changed;
    },
  };
}

/** One image: `to` becomes the window of `from` that begins at row and column, which may lie in the mirrored border. */
function cut(
  from: Uint8Array,
  to: Uint8Array,
  [height, width, channels]: Shape,
  { row, column, flipped }: { readonly row: number; readonly column: number; readonly flipped: boolean },
): void {
  let at = 0;
  for (let y = 0; y < height; y++) {
    const line = mirrored(y + row, height) * width;
    for (let x = 0; x < width; x++) {
      const across = flipped ? width - 1 - x : x;
      const pixel = (line + mirrored(across + column, width)) * channels;
      for (let channel = 0; channel < channels; channel++) to[at++] = from[pixel + channel]!;
    }
  }
}

/** −1 → 0, −2 → 1, size → size − 1, …; the border is no wider than the image. */
function mirrored(at: number, size: number): number {
  if (at < 0) return -1 - at;
  return at < size ? at : 2 * size - 1 - at;
}
