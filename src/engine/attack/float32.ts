const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/**
 * The float32 nearest to `value` that is no farther from `anchor` than `value` is.
 * @param anchor a float32
 */
export function roundTowards(value: number, anchor: number): number {
  const nearest = Math.fround(value);
  const distance = Math.abs(value - anchor);
  if (Math.abs(nearest - anchor) <= distance) return nearest;
  return neighbour(nearest, anchor);
}

/** The float32 next to `value` on the side of `towards`; neither is NaN. */
export function neighbour(value: number, towards: number): number {
  if (value === towards) return value;
  if (value === 0) return Math.sign(towards) * 2 ** -149;
  float[0] = value;
  // As integers, float32 of one sign are in order of their size.
  bits[0]! += Math.abs(towards) > Math.abs(value) && Math.sign(towards) === Math.sign(value) ? 1 : -1;
  return float[0];
}
