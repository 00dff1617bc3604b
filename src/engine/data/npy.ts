import { DcnetError } from '../../core/errors.js';

/** An array of pixel values. */
export interface NpyArray {
  /** [N, H, W] or [N, H, W, C]. */
  readonly shape: readonly number[];
  readonly values: Uint8Array | Float32Array;
}

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY
const remedy = 'Save it with numpy.save as uint8 or float32, C order, shape [N, H, W] or [N, H, W, C].';

/** Whether bytes begin as a NumPy array does. */
export function isNpy(bytes: Uint8Array): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

/** What the start of a NumPy array file says. */
interface NpyHeader {
  readonly type: string;
  readonly shape: readonly number[];
  /** Where the elements begin. */
  readonly dataAt: number;
}

/** A header longer than this is not one that NumPy writes. */
export const mostNpyHeaderBytes = 2 ** 16;

/** Read the header of a NumPy array file (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), versions 1 to 3. */
function parseHeader(bytes: Uint8Array, fail: (message: string) => never): NpyHeader {
  if (!isNpy(bytes)) fail('The file is not a NumPy array.');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[6] ?? 0;
  if (version < 1 || version > 3) fail(`The file is of NumPy’s array format ${version}, which is not known.`);
  const lengthBytes = version === 1 ? 2 : 4;
  const headerAt = 8 + lengthBytes;
  if (bytes.length < headerAt) fail('The file ends inside its header.');
  const headerBytes = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const dataAt = headerAt + headerBytes;
  if (bytes.length < dataAt) fail('The file ends inside its header.');

  // A Python dictionary literal, always written the same way.
  const header = new TextDecoder('latin1').decode(bytes.subarray(headerAt, dataAt));
  const type = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const fortran = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const sizes = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (type === undefined || fortran === undefined || sizes === undefined)
    return fail('The file’s header does not give type, order and shape.');
  const shape = sizes
    .split(',')
    .filter((size) => size.trim() !== '')
    .map(Number);
  if (fortran === 'True') fail('The array is in Fortran order.');
  return { type, shape, dataAt };
}

function requireBytes(
  shape: readonly number[],
  needed: number,
  present: number,
  fail: (message: string) => never,
): void {
  if (present !== needed)
    fail(
      `The array [${shape.join(', ')}] needs ${needed.toLocaleString('en')} bytes, but the file has ${present.toLocaleString('en')}.`,
    );
}

const elementsOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function failing(file: string, todo: string): (message: string) => never {
  return (message) => {
    throw new DcnetError({ code: 'data', message, remedy: todo, file });
  };
}

/**
 * Read an array of pixel values.
 * @throws DcnetError `data`: not such a file, another type or order, cut off, bytes left over
 */
export function parseNpy(bytes: Uint8Array, file: string): NpyArray {
  const fail = failing(file, remedy);
  const { type, shape, dataAt } = parseHeader(bytes, fail);
  if (type !== '|u1' && type !== '<f4') fail(`The array’s elements are of type ${type}.`);
  requireImageShape(shape, fail);
  const count = elementsOf(shape);
  requireBytes(shape, count * (type === '<f4' ? 4 : 1), bytes.length - dataAt, fail);
  if (type === '|u1')
    return { shape, values: new Uint8Array(bytes.buffer, bytes.byteOffset + dataAt, count) };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const value = view.getFloat32(dataAt + 4 * i, true);
    if (!(value >= 0 && value <= 255)) fail(`The array holds ${value}, but pixel values go from 0 to 255.`);
    values[i] = value;
  }
  return { shape, values };
}

function requireImageShape(shape: readonly number[], fail: (message: string) => never): void {
  if ((shape.length !== 3 && shape.length !== 4) || shape.includes(0))
    fail(`The array’s shape is [${shape.join(', ')}].`);
}

/**
 * What the start of the file says of an array of bytes [N, H, W] or [N, H, W, C].
 * @param total bytes of the whole file
 * @throws DcnetError `data`, as `parseNpy`
 */
export function parseNpyImagesHeader(
  start: Uint8Array,
  total: number,
  file: string,
): Pick<NpyHeader, 'shape' | 'dataAt'> {
  const fail = failing(
    file,
    'Save it with numpy.save or numpy.savez as uint8, C order, shape [N, H, W] or [N, H, W, C].',
  );
  const { type, shape, dataAt } = parseHeader(start, fail);
  if (type !== '|u1') fail(`The array’s elements are of type ${type}, not bytes (uint8).`);
  requireImageShape(shape, fail);
  requireBytes(shape, elementsOf(shape), total - dataAt, fail);
  return { shape, dataAt };
}

/** Largest label that is stored. */
const mostLabel = 65535;

/**
 * Read labels: integers of any width and order, [N] or [N, 1].
 * @throws DcnetError `data`: not such a file, another type or shape, a number that is no label
 */
export function parseNpyLabels(bytes: Uint8Array, file: string): readonly number[] {
  const fail = failing(
    file,
    'Save the labels with numpy.save or numpy.savez as integers from 0 on, shape [N].',
  );
  const { type, shape, dataAt } = parseHeader(bytes, fail);
  const kind = /^([<>|=])([iu])([1248])$/.exec(type);
  if (kind === null) return fail(`The array’s elements are of type ${type}, not integers.`);
  if (shape.includes(0) || !(shape.length === 1 || (shape.length === 2 && shape[1] === 1)))
    fail(`The array’s shape is [${shape.join(', ')}].`);
  const width = Number(kind[3]);
  const count = elementsOf(shape);
  requireBytes(shape, count * width, bytes.length - dataAt, fail);
  const data = Buffer.from(bytes.buffer, bytes.byteOffset + dataAt, count * width);
  const read = readerOf(kind[1] !== '>', kind[2] === 'i', width);
  return Array.from({ length: count }, (_, i) => {
    const label = read(data, i * width);
    if (!(label >= 0 && label <= mostLabel))
      fail(`The array holds ${label}, but labels go from 0 to ${mostLabel}.`);
    return label;
  });
}

function readerOf(little: boolean, signed: boolean, width: number): (data: Buffer, at: number) => number {
  if (width < 8) {
    if (little) return (data, at) => (signed ? data.readIntLE(at, width) : data.readUIntLE(at, width));
    return (data, at) => (signed ? data.readIntBE(at, width) : data.readUIntBE(at, width));
  }
  if (little) return (data, at) => Number(signed ? data.readBigInt64LE(at) : data.readBigUInt64LE(at));
  return (data, at) => Number(signed ? data.readBigInt64BE(at) : data.readBigUInt64BE(at));
}
