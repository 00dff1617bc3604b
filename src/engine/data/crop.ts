import type { Crop } from '../../core/config/trainingSchema.js';
import type { DataSet } from './dataSet.js';
import type { ImageBytes, Split } from './split.js';

type Shape = readonly [height: number, width: number, channels: number];

/** Where a window begins in an image, which it may leave: the border is the image, mirrored (the edge repeated). */
export interface Window {
  readonly row: number;
  readonly column: number;
  /** Left to right. */
  readonly flipped: boolean;
}

/**
 * What a network with a crop sees of a data set at test time: the middle of each image, and the shape of that.
 * @param crop left out: the images as they are
 */
export function centreCropped(data: DataSet, crop: Crop | undefined): DataSet {
  if (crop === undefined) return data;
  const { shape } = data.info;
  const cropped = ({ images, ...split }: Split): Split => ({
    ...split,
    images: centresOf(images, shape, crop),
  });
  return {
    ...data,
    info: { ...data.info, shape: [...crop, shape[2]] },
    train: cropped(data.train),
    test: cropped(data.test),
  };
}

/** The middles of images that lie elsewhere; whole ones alone can be asked for. */
function centresOf(images: ImageBytes, shape: Shape, crop: Crop): ImageBytes {
  const whole = shape[0] * shape[1] * shape[2];
  const own = crop[0] * crop[1] * shape[2];
  return {
    length: (images.length / whole) * own,
    subarray(from, to) {
      const bytes = new Uint8Array(to - from);
      centreCrops(images.subarray((from / own) * whole, (to / own) * whole), bytes, shape, crop);
      return bytes;
    },
    ...(images.readInto && {
      readInto: async (bytes: Uint8Array, from: number) => {
        const read = new Uint8Array((bytes.length / own) * whole);
        await images.readInto?.(read, (from / own) * whole);
        centreCrops(read, bytes, shape, crop);
      },
    }),
  };
}

/**
 * The middle of each image; where a border is odd, it is one pixel narrower above and at the left.
 * @param from [N, H, W, C]
 * @param to [N, crop's height, crop's width, C]
 */
export function centreCrops(
  from: Uint8Array | Float32Array,
  to: Uint8Array | Float32Array,
  shape: Shape,
  crop: Crop,
): void {
  const middle = {
    row: Math.floor((shape[0] - crop[0]) / 2),
    column: Math.floor((shape[1] - crop[1]) / 2),
    flipped: false,
  };
  const [whole, own] = [shape[0] * shape[1] * shape[2], crop[0] * crop[1] * shape[2]];
  for (let i = 0; i < to.length / own; i++)
    cut(from.subarray(i * whole, (i + 1) * whole), to.subarray(i * own, (i + 1) * own), shape, crop, middle);
}

/**
 * One image: `to` becomes a window of `from`.
 * @param from [H, W, C]
 * @param to [window's height, window's width, C]
 */
export function cut(
  from: Uint8Array | Float32Array,
  to: Uint8Array | Float32Array,
  [height, width, channels]: Shape,
  [rows, columns]: Crop,
  { row, column, flipped }: Window,
): void {
  let at = 0;
  for (let y = 0; y < rows; y++) {
    const line = mirrored(y + row, height) * width;
    for (let x = 0; x < columns; x++) {
      const across = flipped ? columns - 1 - x : x;
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
