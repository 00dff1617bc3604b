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

/**
 * Read a NumPy array file (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), versions 1 to 3.
 * @throws DcnetError `data`: not such a file, another type or order, cut off, bytes left over
 */
export function parseNpy(bytes: Uint8Array, file: string): NpyArray {
  const fail = (message: string): never => {
    throw new DcnetError({ code: 'data', message, remedy, file });
  };
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
  if (type !== '|u1' && type !== '<f4') fail(`The array’s elements are of type ${type}.`);
  const shape = sizes
    .split(',')
    .filter((size) => size.trim() !== '')
    .map(Number);
  if (fortran === 'True') fail('The array is in Fortran order.');
  if ((shape.length !== 3 && shape.length !== 4) || shape.includes(0))
    fail(`The array’s shape is [${shape.join(', ')}].`);

  const count = shape.reduce((a, b) => a * b, 1);
  const needed = count * (type === '<f4' ? 4 : 1);
  if (bytes.length - dataAt !== needed)
    fail(
      `The array [${shape.join(', ')}] needs ${needed.toLocaleString('en')} bytes, but the file has ${(bytes.length - dataAt).toLocaleString('en')}.`,
    );
  if (type === '|u1') return { shape, values: Uint8Array.from(bytes.subarray(dataAt)) };
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const value = view.getFloat32(dataAt + 4 * i, true);
    if (!(value >= 0 && value <= 255)) fail(`The array holds ${value}, but pixel values go from 0 to 255.`);
    values[i] = value;
  }
  return { shape, values };
}
