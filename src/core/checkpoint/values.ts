import type { DataType } from './safetensors.js';

/**
 * Values of a tensor's bytes, as float64: exact but for 64-bit integers beyond 2⁵³. Safetensors are little-endian.
 * @param bytes a whole number of values
 */
export function decodeValues(dtype: DataType, bytes: Uint8Array): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const each = (size: number, read: (at: number) => number): Float64Array =>
    Float64Array.from({ length: bytes.length / size }, (_, i) => read(i * size));
  switch (dtype) {
    case 'BOOL':
    case 'U8':
      return Float64Array.from(bytes);
    case 'I8':
      return each(1, (at) => view.getInt8(at));
    case 'F8_E5M2':
      return each(1, (at) => smallFloat(view.getUint8(at), 5, 2, true));
    case 'F8_E4M3':
      return each(1, (at) => smallFloat(view.getUint8(at), 4, 3, false));
    case 'I16':
      return each(2, (at) => view.getInt16(at, true));
    case 'U16':
      return each(2, (at) => view.getUint16(at, true));
    case 'F16':
      return each(2, (at) => smallFloat(view.getUint16(at, true), 5, 10, true));
    case 'BF16':
      return each(2, (at) => smallFloat(view.getUint16(at, true), 8, 7, true));
    case 'I32':
      return each(4, (at) => view.getInt32(at, true));
    case 'U32':
      return each(4, (at) => view.getUint32(at, true));
    case 'F32':
      return each(4, (at) => view.getFloat32(at, true));
    case 'F64':
      return each(8, (at) => view.getFloat64(at, true));
    case 'I64':
      return each(8, (at) => Number(view.getBigInt64(at, true)));
    case 'U64':
      return each(8, (at) => Number(view.getBigUint64(at, true)));
  }
}

/**
 * A float of sign, exponent and fraction bits, as IEEE 754 has them.
 * @param infinite whether the greatest exponent means ∞ and NaN; else (E4M3FN) only all ones are NaN
 */
function smallFloat(bits: number, exponentBits: number, fractionBits: number, infinite: boolean): number {
  const fractions = 2 ** fractionBits;
  const greatest = 2 ** exponentBits - 1;
  const bias = 2 ** (exponentBits - 1) - 1;
  const sign = bits >> (exponentBits + fractionBits) ? -1 : 1;
  const exponent = (bits >> fractionBits) & greatest;
  const fraction = bits & (fractions - 1);
  if (exponent === greatest && infinite) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === greatest && fraction === fractions - 1) return Number.NaN;
  if (exponent === 0) return sign * (fraction / fractions) * 2 ** (1 - bias);
  return sign * (1 + fraction / fractions) * 2 ** (exponent - bias);
}
