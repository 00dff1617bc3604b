import { open, readFile } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { Normalization } from '../../core/config/normalizationSchema.js';
import { DcnetError } from '../../core/errors.js';
import { centreCrops } from './crop.js';
import { readIdxFile } from './idxFile.js';
import { normalise } from './images.js';
import { isNpy, parseNpy } from './npy.js';

/** Images from a file of their own, without labels. */
export interface ImageFile {
  readonly count: number;
  readonly shape: readonly [height: number, width: number, channels: number];
  /** Pixel values 0 to 255, [N, H, W, C]. */
  readonly values: Uint8Array | Float32Array;
}

/**
 * Read images from an IDX file (gzip or not) or a NumPy array of uint8 or float32 pixel values 0 to 255.
 * @throws DcnetError `data`, naming the file
 */
export async function readImageFile(file: string): Promise<ImageFile> {
  if (!(await beginsAsNpy(file))) {
    const { header, data } = await readIdxFile(file, 3);
    const [count, height, width] = header.dimensions as [number, number, number];
    return { count, shape: [height, width, 1], values: data };
  }
  const { shape, values } = parseNpy(await readFile(file), file);
  const [count, height, width, channels = 1] = shape as [number, number, number, number?];
  return { count, shape: [height, width, channels], values };
}

/**
 * What a network takes of the images of a file: all of them where they are of its own size, their middle where they are
 * of the size of the data that it was trained on a crop of.
 * @param dataShape of the images of that data
 * @throws DcnetError `data`
 */
export function asInput(
  images: ImageFile,
  inputShape: ImageFile['shape'],
  dataShape: ImageFile['shape'],
  file: string,
): ImageFile {
  const { count, shape, values } = images;
  const is = (other: ImageFile['shape']): boolean => shape.join() === other.join();
  if (is(inputShape)) return images;
  const [whole, taken] = [dataShape.join('×'), inputShape.join('×')];
  if (!is(dataShape))
    throw new DcnetError({
      code: 'data',
      message: `The images are ${shape.join('×')}, but the network takes ${whole === taken ? taken : `the middle, ${taken}, of ${whole}`}.`,
      remedy: 'Use images of the size the network was trained on.',
      file,
    });
  const cropped = new (values instanceof Uint8Array ? Uint8Array : Float32Array)(
    count * inputShape[0] * inputShape[1] * inputShape[2],
  );
  centreCrops(values, cropped, shape, [inputShape[0], inputShape[1]]);
  return { count, shape: inputShape, values: cropped };
}

/** Normalised images `from` to `to` (excluded), as a tensor [to − from, H, W, C]. */
export function imageFileTensor(
  { shape, values }: ImageFile,
  from: number,
  to: number,
  normalization: Normalization,
): tf.Tensor4D {
  const pixels = shape[0] * shape[1] * shape[2];
  const normalised = Float32Array.from(values.subarray(from * pixels, to * pixels), (value, i) =>
    normalise(value, normalization, i % shape[2]),
  );
  return tf.tensor4d(normalised, [to - from, ...shape]);
}

async function beginsAsNpy(file: string): Promise<boolean> {
  try {
    const handle = await open(file);
    try {
      const start = new Uint8Array(8);
      await handle.read(start, 0, start.length, 0);
      return isNpy(start);
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    throw new DcnetError(
      {
        code: 'data',
        message: `The file cannot be read (${(thrown as Error).message}).`,
        remedy: 'Check the path: an IDX file (gzip or not) or a .npy file.',
        file,
      },
      { cause: thrown },
    );
  }
}
