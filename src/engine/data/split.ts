import type { Hash } from 'node:crypto';

/** Bytes of images: a typed array has them in memory, others fetch what is asked for. */
export interface ImageBytes {
  readonly length: number;
  subarray(from: number, to: number): Uint8Array;
  /** Fill an array with the bytes from a place on, which are fetched while this thread computes. */
  readInto?(bytes: Uint8Array, from: number): Promise<void>;
}

/** Of up to 256 classes a byte each. */
export type Labels = Uint8Array | Uint16Array;

/** One split, a byte a pixel. */
export interface Split {
  readonly count: number;
  /** [N, H, W, C], row-major. */
  readonly images: ImageBytes;
  /** [N]. */
  readonly labels: Labels;
}

/** Images that are computed together. */
export interface ImageBatch {
  /** [N, H, W, C], 0 to 255. */
  readonly images: Uint8Array;
  /** [N]. */
  readonly labels: Labels;
}

/** Images of a split with their labels; of those in a file all are asked for at once. */
export async function batchFrom({ images, labels, count }: Split, indices: Uint32Array): Promise<ImageBatch> {
  const size = images.length / count;
  const own = new Uint8Array(indices.length * size);
  const fetching: Promise<void>[] = [];
  for (const [i, index] of indices.entries())
    if (images.readInto === undefined) own.set(images.subarray(index * size, (index + 1) * size), i * size);
    else fetching.push(images.readInto(own.subarray(i * size, (i + 1) * size), index * size));
  await Promise.all(fetching);
  return { images: own, labels: labelsOf(Array.from(indices, (index) => labels[index]!)) };
}

/** What is known of a split before its images are read. */
export interface SplitHeader {
  /** [N, H, W, C]. */
  readonly dimensions: readonly [count: number, height: number, width: number, channels: number];
  readonly labelCount: number;
  readonly largestLabel: number;
  /** Whom to blame. */
  readonly files: readonly [images: string, labels: string];
}

/** A split as its files have it. */
export interface SplitContent extends SplitHeader {
  readonly images: ImageBytes;
  readonly labels: Labels;
}

/** Both splits, and what the files call the classes. */
export interface BothSplits<Content extends SplitHeader = SplitHeader> {
  readonly train: Content;
  readonly test: Content;
  readonly classNames: readonly string[] | undefined;
  /** What to do about a label without a name. */
  readonly namesRemedy: string;
}

/** What a data set's files hold. */
export interface LoadedSplits extends BothSplits<SplitContent> {
  readonly sha256: string;
}

export function largestOf(labels: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < labels.length; i++) if (labels[i]! > largest) largest = labels[i]!;
  return largest;
}

/** The narrowest array that holds the labels. */
export function labelsOf(labels: ArrayLike<number>): Labels {
  return largestOf(labels) < 256 ? Uint8Array.from(labels) : Uint16Array.from(labels);
}

/** Feed a split's sizes and labels to a hash, as little-endian 32-bit numbers: the same however its files are packed. */
export function hashHeader(
  hash: Hash,
  { dimensions }: Pick<SplitHeader, 'dimensions'>,
  labels: Labels,
): void {
  for (const values of [dimensions, labels]) {
    const bytes = Buffer.alloc(4 * values.length);
    values.forEach((value, i) => void bytes.writeUInt32LE(value, 4 * i));
    hash.update(bytes);
  }
}
