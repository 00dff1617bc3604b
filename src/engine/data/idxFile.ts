import type { Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type IdxHeader, idxHeaderBytes, idxPrefixBytes, parseIdxHeader } from '../../core/data/idx.js';
import { DcnetError } from '../../core/errors.js';
import { mostBytesInMemory, mostBytesUnpacked, readStart } from './dataFiles.js';
import { FileImages, hashImages } from './fileImages.js';
import type { ImageBytes } from './split.js';

/** deflate cannot pack more than this many bytes into one. */
const largestGzipRatio = 1032;
const damaged = 'The file is damaged: download it again.';

export interface IdxFile {
  readonly header: IdxHeader;
  /** The values after the header, row-major. */
  readonly data: Uint8Array;
}

/**
 * The images of an IDX file, which stay in it; those of a gzip file, which cannot be read from a place on, in memory.
 * @param hash is fed every byte of the file, unpacked
 * @param step told how many images were read; it may give up
 * @throws DcnetError `data`, as `readIdxFile`
 */
export async function openIdxImages(
  file: string,
  hash: Hash,
  step: (images: number) => Promise<void>,
): Promise<{ readonly header: IdxHeader; readonly data: ImageBytes }> {
  const { size, gzip } = await look(file);
  const header = await readIdxHeader(file, 3);
  const { headerBytes, dataBytes, dimensions } = header;
  if (gzip) {
    const idx = await readIdxFile(file, 3, hash);
    await step(dimensions[0]!);
    return idx;
  }
  if (size > headerBytes + dataBytes) throw goesOn(file, dataBytes);
  hash.update(await readStart(file, headerBytes));
  const data = new FileImages(file, headerBytes, dataBytes);
  await hashImages(hash, data, dataBytes / dimensions[0]!, step);
  return { header, data };
}

/**
 * Read an IDX file of unsigned bytes, gzip or not, as a stream into one array that is allocated only after the header
 * and the file's size were found to agree.
 * @param rank dimensions: 3 for images, 1 for labels
 * @param hash is fed every byte of the file, unpacked
 * @throws DcnetError `data`, naming the file: missing, not IDX, cut off, bytes left over, sizes that cannot be
 */
export async function readIdxFile(file: string, rank: 1 | 3, hash?: Hash): Promise<IdxFile> {
  const { size, gzip } = await look(file);
  let header: IdxHeader | undefined;
  let head = Buffer.alloc(0);
  let data: Uint8Array | undefined;
  let filled = 0;

  for await (const chunk of unpacked(file, gzip)) {
    hash?.update(chunk);
    let rest: Buffer = chunk;
    if (data === undefined) {
      head = Buffer.concat([head, chunk]);
      if (head.length < idxPrefixBytes || head.length < idxHeaderBytes(head)) continue;
      header = parseIdxHeader(head, rank, file);
      checkSize(header, size, gzip, file);
      if (header.dataBytes > mostBytesInMemory)
        throw new DcnetError({
          code: 'data',
          message: `${announcement(header)}, more than fit in one array.`,
          remedy: 'Use a part of the data set, or smaller images.',
          file,
        });
      data = new Uint8Array(header.dataBytes);
      rest = head.subarray(header.headerBytes);
    }
    if (filled + rest.length > data.length) throw goesOn(file, data.length);
    data.set(rest, filled);
    filled += rest.length;
  }

  // A file that ends inside its header: the parser says so.
  header ??= parseIdxHeader(head, rank, file);
  if (data === undefined || filled < data.length)
    throw dataError(
      file,
      `The file is cut off: its header announces ${header.dataBytes.toLocaleString('en')} bytes, but it has ${filled.toLocaleString('en')}.`,
    );
  return { header, data };
}

/**
 * Read only the header of an IDX file.
 * @throws DcnetError `data`, as `readIdxFile`
 */
export async function readIdxHeader(file: string, rank: 1 | 3): Promise<IdxHeader> {
  const { size, gzip } = await look(file);
  let head = Buffer.alloc(0);
  for await (const chunk of unpacked(file, gzip)) {
    head = Buffer.concat([head, chunk]);
    if (head.length >= idxPrefixBytes && head.length >= idxHeaderBytes(head)) break;
  }
  const header = parseIdxHeader(head, rank, file);
  checkSize(header, size, gzip, file);
  return header;
}

function checkSize(header: IdxHeader, fileBytes: number, gzip: boolean, file: string): void {
  const announced = announcement(header);
  if (
    gzip ? header.dataBytes > fileBytes * largestGzipRatio : header.headerBytes + header.dataBytes > fileBytes
  )
    throw dataError(
      file,
      `The file is cut off: ${announced.charAt(0).toLowerCase()}${announced.slice(1)}, more than its ${fileBytes.toLocaleString('en')} bytes can hold.`,
    );
  if (gzip && header.dataBytes > mostBytesUnpacked())
    throw new DcnetError({
      code: 'data',
      message: `${announced}, more than may be unpacked into this machine’s memory.`,
      remedy: 'Unpack the file (gunzip): its images are then read from it by the batch.',
      file,
    });
}

function announcement({ dimensions, dataBytes }: IdxHeader): string {
  return `Its header announces ${dimensions.join('×')} = ${dataBytes.toLocaleString('en')} bytes`;
}

function goesOn(file: string, bytes: number): DcnetError {
  return dataError(
    file,
    `The file goes on after the ${bytes.toLocaleString('en')} bytes that its header announces.`,
  );
}

/** Size on disk, and whether it begins as gzip does. */
async function look(file: string): Promise<{ readonly size: number; readonly gzip: boolean }> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file);
    const start = Buffer.alloc(2);
    await handle.read(start, 0, 2, 0);
    const { size } = await handle.stat();
    return { size, gzip: start[0] === 0x1f && start[1] === 0x8b };
  } catch (thrown) {
    throw readError(file, thrown);
  } finally {
    await handle?.close();
  }
}

async function* unpacked(file: string, gzip: boolean): AsyncGenerator<Buffer> {
  const source = createReadStream(file);
  const unzip = createGunzip();
  // `pipe` hands on data, not errors.
  source.once('error', (thrown) => unzip.destroy(thrown));
  const stream: Readable = gzip ? source.pipe(unzip) : source;
  try {
    yield* stream as AsyncIterable<Buffer>;
  } catch (thrown) {
    throw readError(file, thrown);
  } finally {
    source.destroy();
    unzip.destroy();
  }
}

function readError(file: string, thrown: unknown): DcnetError {
  const { code, message } = thrown as NodeJS.ErrnoException;
  const details =
    code === 'ENOENT'
      ? { message: 'There is no such file.', remedy: 'Check the path.' }
      : code === 'Z_BUF_ERROR'
        ? { message: 'The gzip file is cut off.', remedy: damaged }
        : code?.startsWith('Z_')
          ? { message: `The gzip file cannot be unpacked (${message}).`, remedy: damaged }
          : { message: `The file cannot be read (${message}).`, remedy: 'Check that it may be read.' };
  return new DcnetError({ code: 'data', file, ...details }, { cause: thrown });
}

function dataError(file: string, message: string): DcnetError {
  return new DcnetError({ code: 'data', message, remedy: damaged, file });
}
