import type { FileImages } from './fileImages.js';
import type { ImageBytes } from './split.js';

export const cifarSide = 32;
export const cifarChannels = 3;
const pixels = cifarSide * cifarSide;
/** Bytes of one image. */
export const cifarImageBytes = pixels * cifarChannels;

/** The images of CIFAR's binary files: in each record some bytes of labels, then a plane of each colour. */
export class CifarImages implements ImageBytes {
  readonly length: number;
  readonly #files: readonly FileImages[];
  readonly #recordBytes: number;

  /**
   * @param files one after another, each with all its bytes
   * @param labelBytes bytes of a record before its image
   */
  constructor(
    files: readonly FileImages[],
    private readonly labelBytes: number,
  ) {
    this.#files = files;
    this.#recordBytes = labelBytes + cifarImageBytes;
    const records = files.reduce((sum, file) => sum + file.length / this.#recordBytes, 0);
    this.length = records * cifarImageBytes;
  }

  /** @throws DcnetError `data` when a file was changed meanwhile */
  subarray(from: number, to: number): Uint8Array {
    const first = Math.floor(from / cifarImageBytes);
    const count = Math.ceil(to / cifarImageBytes) - first;
    const images = new Uint8Array(count * cifarImageBytes);
    for (let i = 0; i < count; i++) {
      const { file, at } = this.#find(first + i);
      interleave(file.subarray(at, at + cifarImageBytes), images, i * cifarImageBytes);
    }
    return images.subarray(from - first * cifarImageBytes, to - first * cifarImageBytes);
  }

  /**
   * Whole images.
   * @throws DcnetError `data`, as `subarray`
   */
  async readInto(bytes: Uint8Array, from: number): Promise<void> {
    const planes = new Uint8Array(cifarImageBytes);
    for (let at = 0; at < bytes.length; at += cifarImageBytes) {
      const found = this.#find((from + at) / cifarImageBytes);
      await found.file.readInto(planes, found.at);
      interleave(planes, bytes, at);
    }
  }

  /** The file of an image, and where its planes begin in it. */
  #find(image: number): { readonly file: FileImages; readonly at: number } {
    let at = image * this.#recordBytes;
    for (const file of this.#files) {
      if (at < file.length) return { file, at: at + this.labelBytes };
      at -= file.length;
    }
    throw new RangeError(`There is no image ${image}.`);
  }
}

/** Planes of red, green and blue [C, H, W] to pixels [H, W, C]. */
export function interleave(planes: Uint8Array, to: Uint8Array, at: number): void {
  for (let channel = 0; channel < cifarChannels; channel++)
    for (let pixel = 0; pixel < pixels; pixel++)
      to[at + pixel * cifarChannels + channel] = planes[channel * pixels + pixel]!;
}
