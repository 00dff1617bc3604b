import { DcnetError } from '../errors.js';

/** Bytes before the sizes of an IDX file: two zeros, the element type, the number of dimensions. */
export const idxPrefixBytes = 4;

export interface IdxHeader {
  /** Sizes: [count, height, width] of images, [count] of labels. */
  readonly dimensions: readonly number[];
  readonly headerBytes: number;
  /** Bytes of data that must follow. */
  readonly dataBytes: number;
}

const unsignedByte = 0x08;
/** 64 GiB: no IDX file that we could hold is longer. */
const mostBytes = 2 ** 36;

/** Length of the header whose first four bytes are given. */
export function idxHeaderBytes(prefix: Uint8Array): number {
  return idxPrefixBytes + 4 * (prefix[3] ?? 0);
}

/**
 * Read the header of an IDX file of unsigned bytes (http://yann.lecun.com/exdb/mnist/ describes the format).
 * @param bytes the start of the file, at least `idxHeaderBytes` long if the file is
 * @param rank dimensions that are expected: 3 for images, 1 for labels
 * @throws DcnetError `data`: wrong magic number, wrong rank, empty or absurd sizes, cut off
 */
export function parseIdxHeader(bytes: Uint8Array, rank: 1 | 3, file: string): IdxHeader {
  const fail = (message: string, remedy: string): never => {
    throw new DcnetError({ code: 'data', message, remedy, file });
  };
  const kind = rank === 3 ? 'images' : 'labels';
  if (bytes.length < idxPrefixBytes) {
    fail(`The file has only ${bytes.length} bytes, too few for an IDX header.`, 'Download it again.');
  }
  const magic = [...bytes.subarray(0, idxPrefixBytes)]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join(' ');
  const expected = `00 00 08 0${rank}`;
  if (bytes[0] !== 0 || bytes[1] !== 0) {
    fail(
      `The file begins with ${magic}, which is not an IDX file.`,
      `A file of ${kind} begins with ${expected}.`,
    );
  }
  if (bytes[2] !== unsignedByte) {
    fail(
      `The file’s elements are of type ${magic.slice(6, 8)}, not unsigned bytes (08).`,
      'Convert it to unsigned bytes.',
    );
  }
  if (bytes[3] !== rank) {
    fail(
      `The file has ${bytes[3]} dimensions, but ${kind} have ${rank}.`,
      'Check that images and labels are not exchanged.',
    );
  }
  const headerBytes = idxHeaderBytes(bytes);
  if (bytes.length < headerBytes) {
    fail(`The file ends inside its header, after ${bytes.length} bytes.`, 'Download it again.');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const dimensions = Array.from({ length: rank }, (_, i) => view.getUint32(idxPrefixBytes + 4 * i));
  const dataBytes = dimensions.reduce((a, b) => a * b, 1);
  if (dataBytes === 0)
    fail(`The file says that it holds ${dimensions.join('×')} values: none.`, 'Use a file with data.');
  if (dataBytes > mostBytes) {
    fail(
      `The file says that it holds ${dimensions.join('×')} bytes, which cannot be.`,
      'Its header is damaged: download it again.',
    );
  }
  return { dimensions, headerBytes, dataBytes };
}
