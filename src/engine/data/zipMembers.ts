import type { Readable } from 'node:stream';
import { type Entry, open, type ZipFile } from 'yauzl';
import { dataError, mostBytesInMemory, sizeOf } from './dataFiles.js';

/** deflate cannot pack more than this many bytes into one. */
const largestRatio = 1032;
const damaged = 'The file is damaged: save or download it again.';

/** A file in a zip archive. */
export interface ZipMember {
  readonly bytes: number;
  /** Its content, or only the start of it. */
  read(most?: number): Promise<Buffer>;
}

/**
 * Look into a zip archive. No member takes more memory than it says, and none may say more than can be packed into it.
 * @param work is done with the members by name, as long as the archive is open
 * @throws DcnetError `data`, naming the file
 */
export async function withZip<T>(
  file: string,
  work: (members: ReadonlyMap<string, ZipMember>) => Promise<T>,
): Promise<T> {
  await sizeOf(file);
  const zip = await openZip(file);
  try {
    return await work(await membersOf(zip, file));
  } finally {
    zip.close();
  }
}

function openZip(file: string): Promise<ZipFile> {
  return new Promise((resolve, reject) => {
    open(file, { lazyEntries: true, autoClose: false, validateEntrySizes: true }, (error, zip) =>
      error ? reject(zipError(file, error)) : resolve(zip),
    );
  });
}

function membersOf(zip: ZipFile, file: string): Promise<ReadonlyMap<string, ZipMember>> {
  return new Promise((resolve, reject) => {
    const members = new Map<string, ZipMember>();
    zip.on('entry', (entry: Entry) => {
      members.set(entry.fileName, {
        bytes: entry.uncompressedSize,
        read: (most) => readEntry(zip, entry, file, most),
      });
      zip.readEntry();
    });
    zip.once('end', () => resolve(members));
    zip.once('error', (error) => reject(zipError(file, error)));
    zip.readEntry();
  });
}

async function readEntry(
  zip: ZipFile,
  entry: Entry,
  file: string,
  most = Number.POSITIVE_INFINITY,
): Promise<Buffer> {
  const { fileName, uncompressedSize, compressedSize } = entry;
  if (uncompressedSize > mostBytesInMemory || uncompressedSize > compressedSize * largestRatio)
    throw dataError(
      file,
      `${fileName} says that it has ${uncompressedSize.toLocaleString('en')} bytes, packed in ${compressedSize.toLocaleString('en')}: ${uncompressedSize > mostBytesInMemory ? 'more than fit in one array' : 'that cannot be'}.`,
      uncompressedSize > mostBytesInMemory ? 'Use a part of the data set.' : damaged,
    );
  const stream = await new Promise<Readable>((resolve, reject) => {
    zip.openReadStream(entry, (error, opened) => (error ? reject(zipError(file, error)) : resolve(opened)));
  });
  const content = Buffer.allocUnsafe(Math.min(most, uncompressedSize));
  let filled = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      filled += chunk.copy(content, filled);
      if (filled === content.length && most < uncompressedSize) break;
    }
  } catch (thrown) {
    throw zipError(file, thrown as Error);
  } finally {
    stream.destroy();
  }
  if (filled < content.length) throw dataError(file, `${fileName} is cut off.`, damaged);
  return content;
}

function zipError(file: string, thrown: Error) {
  return dataError(file, `The zip archive cannot be read (${thrown.message}).`, damaged, thrown);
}
