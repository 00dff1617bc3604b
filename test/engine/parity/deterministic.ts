/** FNV-1a of a text's bytes, 32 bits. */
function textHash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}

/**
 * `count` multiples of 2⁻²³ in [−1, 1), exact in float32: the top 24 bits of a mixed counter. The Python side
 * (`test/parity/reference.py`) draws the same, so that no weights are stored.
 */
export function hashed(name: string, count: number): Float64Array {
  const seed = textHash(name);
  return Float64Array.from({ length: count }, (_, index) => {
    let x = (Math.imul(index, 0x9e3779b1) + seed) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b) >>> 0;
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35) >>> 0;
    x = (x ^ (x >>> 16)) >>> 0;
    return (x >>> 8) / 2 ** 23 - 1;
  });
}

/** Float32 values in [middle − halfWidth, middle + halfWidth). */
export function uniform(name: string, count: number, middle: number, halfWidth: number): Float32Array {
  return Float32Array.from(hashed(name, count), (value) => middle + halfWidth * value);
}
