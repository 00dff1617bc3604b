import { asin, constants, laneMask, lanesAt, sumLanes } from './vector';

/** Rows after which float32 sums are added to the float64 ones. */
const block = 256;
const angleBins = 180;
const degrees: f32 = <f32>(180 / Math.PI);

/** How many of `count` increasing values are less than `limit`. */
function countBelow(increasing: usize, count: i32, limit: f32): i32 {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (f32.load(increasing + ((<usize>middle) << 2)) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

function increment(at: usize): void {
  i32.store(at, i32.load(at) + 1);
}

/** Add `length` (a multiple of 4) float32 to as many float64, and clear them. */
function flush(partial: usize, total: usize, length: i32): void {
  for (let f = 0; f < length; f += 2) {
    const from = partial + ((<usize>f) << 2);
    const to = total + ((<usize>f) << 3);
    v128.store(to, f64x2.add(v128.load(to), f64x2.promote_low_f32x4(v128.load64_zero(from))));
    i64.store(from, 0);
  }
}

/**
 * Count norms and angles of patches; adds to what is there.
 * @param floor patches of a smaller norm are only counted
 * @param origin where the first bin of ‖x‖ begins; `scale` bins to a unit
 * @param shift norm bins that the joint counts put together, as a power of two
 * @param u projections [rows, filters]
 * @param norms [rows]
 * @param factors cos θ = u·factor/norm; [filters], filled up to a multiple of 4
 * @param radii increasing, `radiusCount` of them
 * @param partial zeros, [filters] filled up
 * @param totals float64: strong, weak, Σ‖x‖, Σ‖x‖², min, max, Σ(90° − θ)², min and max of 90° − θ, pairs beyond
 * @param filterSums float64 Σ(90° − θ), [filters] filled up
 * @param normCounts int32 [normBins]
 * @param joint int32 [normBins >> shift][180]
 */
export function countPairs(
  rows: i32,
  filters: i32,
  floor: f32,
  origin: f64,
  scale: f64,
  normBins: i32,
  shift: i32,
  u: usize,
  norms: usize,
  factors: usize,
  radii: usize,
  radiusCount: i32,
  partial: usize,
  totals: usize,
  filterSums: usize,
  normCounts: usize,
  joint: usize,
): void {
  const table = constants();
  const filled = (filters + 3) & ~3;
  const one = f32x4.splat(1);
  const lastBin = i32x4.splat(angleBins - 1);
  let least = f32x4.splat(<f32>f64.load(totals + 56));
  let most = f32x4.splat(<f32>f64.load(totals + 64));
  let pending = 0;
  for (let row = 0; row < rows; row++) {
    const n = f32.load(norms + ((<usize>row) << 2));
    if (!(n >= floor)) {
      f64.store(totals + 8, f64.load(totals + 8) + 1);
      continue;
    }
    const norm = <f64>n;
    f64.store(totals, f64.load(totals) + 1);
    f64.store(totals + 16, f64.load(totals + 16) + norm);
    f64.store(totals + 24, f64.load(totals + 24) + norm * norm);
    f64.store(totals + 32, min(f64.load(totals + 32), norm));
    f64.store(totals + 40, max(f64.load(totals + 40), norm));
    if (radiusCount > 0)
      f64.store(totals + 72, f64.load(totals + 72) + <f64>countBelow(radii, radiusCount, n));
    const bin = max(0, min(normBins - 1, <i32>((norm - origin) * scale)));
    increment(normCounts + ((<usize>bin) << 2));
    const counts = joint + ((<usize>((bin >> shift) * angleBins)) << 2);
    const inverse = f32x4.splat(1 / n);
    const from = u + ((<usize>row * <usize>filters) << 2);
    let squares = f32x4.splat(0);
    for (let f = 0; f < filters; f += 4) {
      const column = (<usize>f) << 2;
      const lanes = lanesAt(f, filters);
      let cosine = f32x4.mul(f32x4.mul(v128.load(from + column), v128.load(factors + column)), inverse);
      cosine = f32x4.pmax(f32x4.pmin(cosine, one), f32x4.neg(one));
      let complement = f32x4.mul(asin(cosine, table), f32x4.splat(degrees));
      const theta = f32x4.sub(f32x4.splat(90), complement);
      const bins = i32x4.max_s(
        i32x4.min_s(i32x4.trunc_sat_f32x4_s(f32x4.floor(theta)), lastBin),
        i32x4.splat(0),
      );
      if (lanes === 4) {
        least = f32x4.pmin(least, complement);
        most = f32x4.pmax(most, complement);
        increment(counts + ((<usize>i32x4.extract_lane(bins, 0)) << 2));
        increment(counts + ((<usize>i32x4.extract_lane(bins, 1)) << 2));
        increment(counts + ((<usize>i32x4.extract_lane(bins, 2)) << 2));
        increment(counts + ((<usize>i32x4.extract_lane(bins, 3)) << 2));
      } else {
        const mask = laneMask(lanes);
        least = v128.bitselect(f32x4.pmin(least, complement), least, mask);
        most = v128.bitselect(f32x4.pmax(most, complement), most, mask);
        complement = v128.and(complement, mask);
        increment(counts + ((<usize>i32x4.extract_lane(bins, 0)) << 2));
        if (lanes > 1) increment(counts + ((<usize>i32x4.extract_lane(bins, 1)) << 2));
        if (lanes > 2) increment(counts + ((<usize>i32x4.extract_lane(bins, 2)) << 2));
      }
      squares = f32x4.add(squares, f32x4.mul(complement, complement));
      v128.store(partial + column, f32x4.add(v128.load(partial + column), complement));
    }
    f64.store(totals + 48, f64.load(totals + 48) + <f64>sumLanes(squares));
    pending++;
    if (pending === block) {
      flush(partial, filterSums, filled);
      pending = 0;
    }
  }
  flush(partial, filterSums, filled);
  f64.store(totals + 56, <f64>lowest(least));
  f64.store(totals + 64, -(<f64>lowest(f32x4.neg(most))));
}

function lowest(v: v128): f32 {
  return min<f32>(
    min<f32>(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    min<f32>(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  );
}

/**
 * Per filter, the sum of the responses and how many are no larger than `silent`; adds to what is there.
 * @param responses [rows, filters]
 * @param partial zeros, [filters] filled up to a multiple of 4
 * @param sums float64 [filters] filled up
 * @param silentCounts int32 [filters] filled up
 */
export function sumResponses(
  rows: i32,
  filters: i32,
  silent: f32,
  responses: usize,
  partial: usize,
  sums: usize,
  silentCounts: usize,
): void {
  const filled = (filters + 3) & ~3;
  const limit = f32x4.splat(silent);
  for (let row = 0; row < rows; row++) {
    const from = responses + ((<usize>row * <usize>filters) << 2);
    for (let f = 0; f < filters; f += 4) {
      const column = (<usize>f) << 2;
      // What lies beyond the row falls into lanes that nobody reads.
      const value = v128.load(from + column);
      v128.store(partial + column, f32x4.add(v128.load(partial + column), value));
      const counts = silentCounts + column;
      v128.store(counts, i32x4.sub(v128.load(counts), f32x4.le(f32x4.abs(value), limit)));
    }
    if ((row & (block - 1)) === block - 1) flush(partial, sums, filled);
  }
  flush(partial, sums, filled);
}
