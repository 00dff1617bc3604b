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

// V8 builds a vector constant anew wherever it is used, by three instructions, also in a loop: those that are needed there lie in
// memory, from where one instruction fetches each.
const one: usize = 0;
export const half: usize = 16;
const largest: usize = 32;
const numerators: usize = 48;
const denominators: usize = 112;
const quarterTurn: usize = 176;
const coefficients: usize = 192;
export const two: usize = 272;
export const twoAndHalf: usize = 288;
/** √½ and √2. */
export const rootHalf: usize = 304;
export const rootTwo: usize = 320;
const heldValue: usize = 336;
const tableEnd: usize = 340;

let table: usize = 0;

/** Floats that {@link fillConstants} fills. */
export const tableFloats: i32 = <i32>(tableEnd >> 2);

/** Write the constants of {@link tanh} and {@link asin} where they may stay; before anything calls them. */
export function fillConstants(at: usize): void {
  table = at;
  place(one, 1);
  place(half, 0.5);
  place(largest, 9);
  place(numerators, 1.3354671146714736e-8);
  place(numerators + 16, 2.0609089915524237e-5);
  place(numerators + 32, 0.003495588665828109);
  place(numerators + 48, 0.13381026685237885);
  place(denominators, 7.77656225636747e-7);
  place(denominators + 16, 0.0003285635611973703);
  place(denominators + 32, 0.025876984000205994);
  place(denominators + 48, 0.4671434164047241);
  place(quarterTurn, 1.5707963267948966);
  place(coefficients, 0.0426354855298996);
  place(coefficients + 16, 0.02385828085243702);
  place(coefficients + 32, 0.0455501563847065);
  place(coefficients + 48, 0.07494434714317322);
  place(coefficients + 64, 0.1666678935289383);
  place(two, 2);
  place(twoAndHalf, 2.5);
  place(rootHalf, <f32>Math.SQRT1_2);
  place(rootTwo, <f32>Math.SQRT2);
}

function place(constant: usize, value: f32): void {
  v128.store(table + constant, f32x4.splat(value));
}

/** Where the constants lie; functions that need them in a loop ask once. */
export function constants(): usize {
  return table;
}

/** A value in all lanes for a loop that follows, in which V8 would compute it anew each time if it did not come from memory. */
export function held(value: f32): v128 {
  f32.store(table, value, heldValue);
  return v128.load32_splat(table, heldValue);
}

/**
 * tanh(z) for z ≥ 0, of relative error 4e-7 and never above 1: z times a rational function of z² fitted to tanh(z)/z on
 * [0, 9], beyond which tanh is 1 to float32. It needs no series near 0.
 * @param at {@link constants}
 */
export function tanhOfPositive(z: v128, at: usize): v128 {
  const inside = f32x4.pmin(z, v128.load(at, largest));
  const v = f32x4.mul(inside, inside);
  let numerator = v128.load(at, numerators);
  numerator = multiplyAdd(numerator, v, v128.load(at, numerators + 16));
  numerator = multiplyAdd(numerator, v, v128.load(at, numerators + 32));
  numerator = multiplyAdd(numerator, v, v128.load(at, numerators + 48));
  numerator = multiplyAdd(numerator, v, v128.load(at, one));
  let denominator = v128.load(at, denominators);
  denominator = multiplyAdd(denominator, v, v128.load(at, denominators + 16));
  denominator = multiplyAdd(denominator, v, v128.load(at, denominators + 32));
  denominator = multiplyAdd(denominator, v, v128.load(at, denominators + 48));
  denominator = multiplyAdd(denominator, v, v128.load(at, one));
  return f32x4.pmin(f32x4.div(f32x4.mul(inside, numerator), denominator), v128.load(at, one));
}

/** tanh of any sign. */
export function tanh(z: v128, at: usize): v128 {
  return withSign(tanhOfPositive(f32x4.abs(z), at), z);
}

/**
 * arcsin for |c| ≤ 1, of absolute error 2e-7; beyond ½ by arcsin c = π/2 − 2·arcsin √((1 − c)/2).
 * @param at {@link constants}
 */
export function asin(c: v128, at: usize): v128 {
  const size = f32x4.abs(c);
  const large = f32x4.gt(size, v128.load(at, half));
  const square = v128.bitselect(
    f32x4.mul(f32x4.sub(v128.load(at, one), size), v128.load(at, half)),
    f32x4.mul(size, size),
    large,
  );
  const root = v128.bitselect(f32x4.sqrt(square), size, large);
  let series = v128.load(at, coefficients);
  series = multiplyAdd(series, square, v128.load(at, coefficients + 16));
  series = multiplyAdd(series, square, v128.load(at, coefficients + 32));
  series = multiplyAdd(series, square, v128.load(at, coefficients + 48));
  series = multiplyAdd(series, square, v128.load(at, coefficients + 64));
  series = multiplyAdd(series, square, v128.load(at, one));
  const small = f32x4.mul(root, series);
  const complement = f32x4.sub(v128.load(at, quarterTurn), f32x4.add(small, small));
  return withSign(v128.bitselect(complement, small, large), c);
}

/** The size of a value ≥ 0 with another's sign. */
export function withSign(size: v128, sign: v128): v128 {
  return v128.or(size, v128.and(sign, i32x4.splat(0x80000000)));
}
