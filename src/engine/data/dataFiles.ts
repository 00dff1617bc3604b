import { open, readdir, readFile, stat } from 'node:fs/promises';
import os from 'node:os';
import { DcnetError } from '../../core/errors.js';

/** Bytes that one typed array of ours may hold: 4 GiB less a page. */
export const mostBytesInMemory = 2 ** 32 - 4096;

/**
 * Most bytes that a packed file may take unpacked, which is always held in memory: half of the machine's or container's
 * memory, and no more than an array holds.
 */
export function mostBytesUnpacked(): number {
  // Zero where no limit is known.
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.min(mostBytesInMemory, os.totalmem() / 2, limit / 2);
}

/** A class-name file may not be longer than this. */
const longestNamesFile = 2 ** 20;

/** What is wrong with a file of a data set, and what to do. */
export function dataError(file: string, message: string, remedy: string, cause?: unknown): DcnetError {
  return new DcnetError({ code: 'data', message, remedy, file }, { cause });
}

/** What the file system said of a file of a data set. */
export function fileError(file: string, thrown: unknown): DcnetError {
  if (thrown instanceof DcnetError) return thrown;
  const { code, message } = thrown as NodeJS.ErrnoException;
  return code === 'ENOENT'
    ? dataError(file, 'There is no such file.', 'Check the path.', thrown)
    : dataError(file, `The file cannot be read (${message}).`, 'Check that it may be read.', thrown);
}

/**
 * Names in a data set's folder.
 * @param remedy says which folder it should be
 * @throws DcnetError `data`
 */
export async function listFolder(directory: string, remedy: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    throw dataError(
      directory,
      code === 'ENOENT'
        ? 'The data set’s folder does not exist.'
        : code === 'ENOTDIR'
          ? 'The data set is a file, not a folder.'
          : `The data set’s folder cannot be read (${message}).`,
      remedy,
      thrown,
    );
  }
}

/** @throws DcnetError `data` */
export async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (thrown) {
    throw fileError(file, thrown);
  }
}

/** Name, size and time of change of files: different as soon as one of them changes. @throws DcnetError `data` */
export async function fileStamps(files: readonly string[]): Promise<readonly (string | number)[]> {
  const stamps: (string | number)[] = [];
  for (const file of files) {
    try {
      const { size, mtimeMs } = await stat(file);
      stamps.push(file, size, mtimeMs);
    } catch (thrown) {
      throw fileError(file, thrown);
    }
  }
  return stamps;
}

/**
 * A whole file, as far as it fits into memory.
 * @throws DcnetError `data`
 */
export async function readWhole(file: string): Promise<Buffer> {
  const size = await sizeOf(file);
  if (size > mostBytesInMemory)
    throw dataError(
      file,
      `The file has ${size.toLocaleString('en')} bytes, more than fit in one array.`,
      'Use a part of the data set.',
    );
  try {
    return await readFile(file);
  } catch (thrown) {
    throw fileError(file, thrown);
  }
}

/**
 * The start of a file.
 * @param most as many bytes, or all of a shorter file
 * @throws DcnetError `data`
 */
export async function readStart(file: string, most: number): Promise<Uint8Array> {
  try {
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(new Uint8Array(most), 0, most, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    throw fileError(file, thrown);
  }
}

/**
 * Class names, one a line; `undefined` where there is no such file.
 * @param otherwise what happens when the file is deleted: a part of the remedy
 * @throws DcnetError `data`
 */
export async function readClassNames(
  file: string,
  otherwise = 'Correct it, or delete it: the classes are then named by their numbers.',
): Promise<readonly string[] | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw dataError(file, 'The class names cannot be read.', 'Check that the file may be read.', thrown);
  }
  const names = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (text.length > longestNamesFile || names.length < 2)
    throw dataError(
      file,
      `The file has ${names.length} lines, but must have one class name a line, at least two.`,
      otherwise,
    );
  return names;
}
