import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll } from 'vitest';

const folders: string[] = [];

afterAll(async () => {
  // An engine that was just killed may still have been writing.
  for (const folder of folders) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** A folder that is the test's own, and goes with it. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'dcnet-test-'));
  folders.push(folder);
  return folder;
}

/** The bytes of an IDX file. */
export function idxBytes(dimensions: readonly number[], values: ArrayLike<number>): Buffer {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header.writeUInt32BE(0x0800 + dimensions.length, 0);
  for (const [i, size] of dimensions.entries()) header.writeUInt32BE(size, 4 + 4 * i);
  return Buffer.concat([header, Buffer.from(Uint8Array.from(values))]);
}

/** Small pseudo-random bytes by a linear congruential generator. */
function bytes(count: number, seed: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state >> 16;
  });
}

export interface TinyData {
  readonly train?: number;
  readonly test?: number;
  readonly side?: number;
  readonly classes?: number;
  readonly gzip?: boolean;
}

/** Images whose brightest quarter tells their class, with noise: something that a small network learns quickly. */
function splitFiles(count: number, side: number, classes: number, seed: number): [Buffer, Buffer] {
  const labels = Uint8Array.from({ length: count }, (_, i) => i % classes);
  const noise = bytes(count * side * side, seed);
  const images = noise.map((value, i) => {
    const [image, row, column] = [Math.floor(i / (side * side)), Math.floor(i / side) % side, i % side];
    const quarter = (row < side / 2 ? 0 : 2) + (column < side / 2 ? 0 : 1);
    return (value >> 1) + (labels[image]! % 4 === quarter ? 120 : 0);
  });
  return [idxBytes([count, side, side], images), idxBytes([count], labels)];
}

/** Write the four IDX files of a small data set. */
export async function writeTinyData(
  directory: string,
  { train = 60, test = 20, side = 8, classes = 4, gzip = false }: TinyData = {},
): Promise<void> {
  for (const [name, count, seed] of [
    ['train', train, 1],
    ['t10k', test, 2],
  ] as const) {
    const [images, labels] = splitFiles(count, side, classes, seed);
    const suffix = gzip ? '.gz' : '';
    const pack = (file: Buffer): Buffer => (gzip ? gzipSync(file) : file);
    await writeFile(path.join(directory, `${name}-images-idx3-ubyte${suffix}`), pack(images));
    await writeFile(path.join(directory, `${name}-labels-idx1-ubyte${suffix}`), pack(labels));
  }
}
