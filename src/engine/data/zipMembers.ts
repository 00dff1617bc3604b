import type { Readable } from 'node:stream';
import { type Entry, open, type ZipFile } from 'yauzl';
import { dataError, mostBytesInMemory, mostBytesUnpacked, sizeOf } from './dataFiles.js';

// In the library, but not in its types.
declare module 'yauzl' {
  interface ZipFile {
    readLocalFileHeader(
      entry: Entry,
      options: { readonly minimal: true },
      done: (error: Error | null, header: { readonly fileDataStart: number }) => void,
    ): void;
  }
}

/** `Entry.compressionMethod` of what is stored as it is. */
const stored = 0;
/** deflate cannot pack more than this many bytes into one. */
const largestRatio = 1032;
const damaged = 'The file is damaged: save or download it again.';

/** A file in a zip archive. */
export interface ZipMember {
  readonly bytes: number;
  /** Its content, or only the start of it. */
  read(most?: number): Promise<Buffer>;
  /** Where its bytes are in the archive; `undefined` when they are compressed. */
  find(): Promise<{ readonly file: string; readonly offset: number } | undefined>;
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
        find: () => findEntry(zip, entry, file),
      });
      zip.readEntry();
    });
    zip.once('end', () => resolve(members));
    zip.once('error', (error) => reject(zipError(file, error)));
    zip.readEntry();
  });
}

async function findEntry(zip: ZipFile, entry: Entry, file: string) {
  if (entry.compressionMethod !== stored) return undefined;
  const offset = await new Promise<number>((resolve, reject) => {
    zip.readLocalFileHeader(entry, { minimal: true }, (error, header) =>
      error ? reject(zipError(file, error)) : resolve(header.fileDataStart),
    );
  });
  return { file, offset };
}

async function readEntry(
  zip: ZipFile,
  entry: Entry,
  file: string,
  most = Number.POSITIVE_INFINITY,
): Promise<Buffer> {
  const { fileName, uncompressedSize, compressedSize, compressionMethod } = entry;
  const refuse = (why: string, remedy: string) =>
    dataError(
      file,
      `${fileName} says that it has ${uncompressedSize.toLocaleString('en')} bytes, packed in ${compressedSize.toLocaleString('en')}: ${why}.`,
      remedy,
    );
  if (uncompressedSize > compressedSize * largestRatio) throw refuse('that cannot be', damaged);
  if (compressionMethod !== stored && uncompressedSize > mostBytesUnpacked())
    throw refuse(
      'more than may be unpacked into this machine’s memory',
      'Save it with numpy.savez, which does not compress: its images are then read from the file by the batch.',
    );
  if (Math.min(most, uncompressedSize) > mostBytesInMemory)
    throw refuse('more than fit in one array', 'Use a part of the data set.');
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
