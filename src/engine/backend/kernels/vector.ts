// Vectors of four float32. A row of channels is walked in fours; at its end the lanes beyond the row are read (they
// belong to the next row or to the allocator) but never written, and are masked out of sums over the row.

/** Number of channels of the vector at `at` in a row of `length`. */
export function lanesAt(at: i32, length: i32): i32 {
  const left = length - at;
  return left < 4 ? left : 4;
}

/** All bits in the first `lanes` lanes. */
export function laneMask(lanes: i32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(lanes));
}

/** Write the first `lanes` lanes. */
export function storeLanes(to: usize, vector: v128, lanes: i32): void {
  if (lanes === 4) {
    v128.store(to, vector);
    return;
  }
  f32.store(to, f32x4.extract_lane(vector, 0));
  if (lanes > 1) f32.store(to + 4, f32x4.extract_lane(vector, 1));
  if (lanes > 2) f32.store(to + 8, f32x4.extract_lane(vector, 2));
}

export function sumLanes(v: v128): f32 {
  return (
    f32x4.extract_lane(v, 0) +
    f32x4.extract_lane(v, 1) +
    (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
  );
}

export function scaled(v: v128, factor: f32): v128 {
  return f32x4.mul(v, f32x4.splat(factor));
}

/** sum + a·b; where the module is compiled with relaxed SIMD one instruction, rounded once, on processors that have it. */
export function multiplyAdd(a: v128, b: v128, sum: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, sum);
  return f32x4.add(f32x4.mul(a, b), sum);
}

/** v·slope + shift, rounded twice: where shift is β − mean·slope, a constant channel becomes β to the last bit. */
export function affine(v: v128, slope: v128, shift: v128): v128 {
  return f32x4.add(f32x4.mul(v, slope), shift);
}

function step(v: v128, coefficient: f32, sum: v128): v128 {
  return multiplyAdd(sum, v, f32x4.splat(coefficient));
}

/**
 * tanh(z) for z ≥ 0, of relative error 4e-7 and never above 1: z times a rational function of z² fitted to tanh(z)/z on
 * [0, 9], beyond which tanh is 1 to float32. It needs no series near 0.
 */
export function tanhOfPositive(z: v128): v128 {
  const inside = f32x4.pmin(z, f32x4.splat(9));
  const v = f32x4.mul(inside, inside);
  let numerator = f32x4.splat(1.3354671146714736e-8);
  numerator = step(v, 2.0609089915524237e-5, numerator);
  numerator = step(v, 0.003495588665828109, numerator);
  numerator = step(v, 0.13381026685237885, numerator);
  numerator = step(v, 1, numerator);
  let denominator = f32x4.splat(7.77656225636747e-7);
  denominator = step(v, 0.0003285635611973703, denominator);
  denominator = step(v, 0.025876984000205994, denominator);
  denominator = step(v, 0.4671434164047241, denominator);
  denominator = step(v, 1, denominator);
  return f32x4.pmin(f32x4.div(f32x4.mul(inside, numerator), denominator), f32x4.splat(1));
}

/** tanh of any sign. */
export function tanh(z: v128): v128 {
  return withSign(tanhOfPositive(f32x4.abs(z)), z);
}

/** arcsin for |c| ≤ 1, of absolute error 2e-7; beyond ½ by arcsin c = π/2 − 2·arcsin √((1 − c)/2). */
export function asin(c: v128): v128 {
  const size = f32x4.abs(c);
  const large = f32x4.gt(size, f32x4.splat(0.5));
  const square = v128.bitselect(
    f32x4.mul(f32x4.sub(f32x4.splat(1), size), f32x4.splat(0.5)),
    f32x4.mul(size, size),
    large,
  );
  const root = v128.bitselect(f32x4.sqrt(square), size, large);
  let series = f32x4.splat(0.0426354855298996);
  series = step(square, 0.02385828085243702, series);
  series = step(square, 0.0455501563847065, series);
  series = step(square, 0.07494434714317322, series);
  series = step(square, 0.1666678935289383, series);
  series = step(square, 1, series);
  const small = f32x4.mul(root, series);
  const complement = f32x4.sub(f32x4.splat(1.5707963267948966), f32x4.add(small, small));
  return withSign(v128.bitselect(complement, small, large), c);
}

/** The size of a value ≥ 0 with another's sign. */
export function withSign(size: v128, sign: v128): v128 {
  return v128.or(size, v128.and(sign, i32x4.splat(0x80000000)));
}
