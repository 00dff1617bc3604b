import type { Hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { dataError, fileError } from './dataFiles.js';
import type { ImageBytes } from './split.js';

const readAsync = promisify(read);
const leaveAlone = 'Leave the files of a data set as they are while they are used, and begin again.';

/**
 * Images that lie in a file one after another, of which only what is asked for is in memory. The operating system keeps
 * in its own cache what there is room for, so that reading costs a copy. The file is held open: one that is deleted or
 * replaced meanwhile is read as it was, one that is written into is refused.
 */
export class FileImages implements ImageBytes {
  readonly #descriptor: number;
  readonly #stamp: string;

  /**
   * @param offset where the images begin in the file, in bytes
   * @param length bytes of the images
   * @param remedy what to do when the file has changed
   * @throws DcnetError `data`
   */
  constructor(
    readonly file: string,
    private readonly offset: number,
    readonly length: number,
    private readonly remedy = leaveAlone,
  ) {
    try {
      this.#descriptor = openSync(file, 'r');
    } catch (thrown) {
      throw fileError(file, thrown);
    }
    openFiles.register(this, this.#descriptor, this);
    this.#stamp = stampOf(this.#descriptor);
  }

  /** @throws DcnetError `data` when the file was changed meanwhile, or cannot be read any more */
  subarray(from: number, to: number): Uint8Array {
    const bytes = new Uint8Array(to - from);
    try {
      for (let filled = 0; filled < bytes.length; ) {
        const at = this.offset + from + filled;
        filled += this.#some(readSync(this.#descriptor, bytes, filled, bytes.length - filled, at));
      }
      this.#requireUnchanged();
    } catch (thrown) {
      throw fileError(this.file, thrown);
    }
    return bytes;
  }

  /** @throws DcnetError `data`, as `subarray` */
  async readInto(bytes: Uint8Array, from: number): Promise<void> {
    try {
      for (let filled = 0; filled < bytes.length; ) {
        const at = this.offset + from + filled;
        const { bytesRead } = await readAsync(this.#descriptor, bytes, filled, bytes.length - filled, at);
        filled += this.#some(bytesRead);
      }
      this.#requireUnchanged();
    } catch (thrown) {
      throw fileError(this.file, thrown);
    }
  }

  /** Give the file back before the set is given up: nothing can be read any more. */
  close(): void {
    openFiles.unregister(this);
    closeSync(this.#descriptor);
  }

  /** Nothing more is read where the file ends. */
  #some(bytesRead: number): number {
    if (bytesRead === 0) throw this.#changed();
    return bytesRead;
  }

  #requireUnchanged(): void {
    if (stampOf(this.#descriptor) !== this.#stamp) throw this.#changed();
  }

  #changed() {
    return dataError(this.file, 'The file has changed while its images were used.', this.remedy);
  }
}

/** A set that is given up gives its file back. */
const openFiles = new FinalizationRegistry<number>((descriptor) => closeSync(descriptor));

function stampOf(descriptor: number): string {
  const { size, mtimeMs } = fstatSync(descriptor);
  return `${size} ${mtimeMs}`;
}

const bytesOfPiece = 2 ** 24;

/**
 * All bytes of images, at most some 16 MiB at a time.
 * @param size bytes of one image: each piece has whole ones
 */
export async function* inPieces(images: ImageBytes, size: number): AsyncGenerator<Uint8Array> {
  const most = Math.max(1, Math.floor(bytesOfPiece / size)) * size;
  for (let from = 0; from < images.length; from += most) {
    const to = Math.min(images.length, from + most);
    const bytes = images.readInto === undefined ? images.subarray(from, to) : new Uint8Array(to - from);
    await images.readInto?.(bytes, from);
    yield bytes;
  }
}

/**
 * Feed all bytes of images to a hash.
 * @param step told how many images were read; it may give up
 */
export async function hashImages(
  hash: Hash,
  images: ImageBytes,
  size: number,
  step: (images: number) => Promise<void>,
): Promise<void> {
  for await (const piece of inPieces(images, size)) {
    hash.update(piece);
    await step(piece.length / size);
  }
}
