import {
  affine,
  asin,
  constants,
  held,
  laneMask,
  lanesAt,
  multiplyAdd,
  scaled,
  storeLanes,
  sumLanes,
  tanh,
  tanhOfPositive,
} from './vector';

// The numbers of the functions, as the host passes them.
const sphere = 0;
const ball = 1;
const tanhConv = 2;
const _linear = 3;
const seg = 4;
const log = 5;
const mix = 6;

const linearAngle = 0;
const cosine = 1;
const squareCosine = 2;
const sigmoid = 3;
const power = 4;

// The commonest operator has loops of its own, out of which the compiler leaves all other functions.
type OnlyTanhCosine = bool;
type AnyOperator = i32;

const tiny: f32 = 1e-30;
const cosineLimit: f32 = 1 - 1e-7;
/** Rows after which partial sums are added to the totals: keeps float32 sums of many rows accurate. */
const block = 256;

/** h(n)/n of the functions that need no radius: one for all filters. */
function patchRatio(magnitude: i32, n: f32, alpha: f32, beta: f32): f32 {
  switch (magnitude) {
    case sphere:
      return alpha / n;
    case log:
      return alpha * log1pRatio(n);
    case mix:
      return alpha + beta * log1pRatio(n);
    default:
      return alpha;
  }
}

function log1pRatio(n: f32): f32 {
  return <f32>(Math.log1p(<f64>n) / <f64>n);
}

/** h′(n) of the functions that need no radius. */
function patchSlope(magnitude: i32, n: f32, alpha: f32, beta: f32): f32 {
  switch (magnitude) {
    case sphere:
      return 0;
    case log:
      return alpha / (1 + n);
    case mix:
      return alpha + beta / (1 + n);
    default:
      return alpha;
  }
}

/** h(n)/n of ball and seg. */
function cornerRatio(magnitude: i32, n: v128, R: v128, alpha: v128, beta: f32): v128 {
  if (magnitude === ball) return f32x4.div(alpha, f32x4.pmax(n, R));
  const beyond = f32x4.div(f32x4.mul(f32x4.sub(alpha, f32x4.splat(beta)), R), n);
  return v128.bitselect(alpha, f32x4.add(beyond, f32x4.splat(beta)), f32x4.le(n, R));
}

function hasRadius(magnitude: i32): bool {
  return magnitude === tanhConv || magnitude === ball || magnitude === seg;
}

/** |c|^(B − 1), which is 0 at 0. */
function lesserPower(c: v128, exponent: f32): v128 {
  const size = f32x4.abs(c);
  const lesser = exponent - 1;
  return f32x4(
    Mathf.pow(f32x4.extract_lane(size, 0), lesser),
    Mathf.pow(f32x4.extract_lane(size, 1), lesser),
    Mathf.pow(f32x4.extract_lane(size, 2), lesser),
    Mathf.pow(f32x4.extract_lane(size, 3), lesser),
  );
}

function clampedCosine(u: v128, inverse: v128): v128 {
  const limit = f32x4.splat(cosineLimit);
  return f32x4.pmax(f32x4.pmin(f32x4.mul(u, inverse), limit), f32x4.neg(limit));
}

/**
 * h(n)·g(θ) in one pass; at test time with the batch normalisation behind it, value·slope + shift.
 * @param u projections [rows, filters]
 * @param norms [rows]
 * @param radii R and 1/R, [filters] each, filled up with 1 to a multiple of 4
 * @param kTable for the power of the cosine its exponent; for the sigmoid 1/2k, 1/tanh(π/4k) and ∂(1/tanh)/∂k ÷ (1/tanh), each as `radii`
 * @param slope, shift [filters], readable to a multiple of 4; 0: the bare product
 * @param relu whether the normalised product is cut at 0
 * @param out [rows, filters]
 */
export function productForward(
  rows: i32,
  filters: i32,
  magnitude: i32,
  angular: i32,
  alpha: f32,
  beta: f32,
  u: usize,
  norms: usize,
  radii: usize,
  kTable: usize,
  slope: usize,
  shift: usize,
  relu: bool,
  out: usize,
): void {
  if (magnitude === tanhConv && angular === cosine)
    forwardRows<OnlyTanhCosine>(
      rows,
      filters,
      magnitude,
      angular,
      alpha,
      beta,
      u,
      norms,
      radii,
      kTable,
      slope,
      shift,
      relu,
      out,
    );
  else
    forwardRows<AnyOperator>(
      rows,
      filters,
      magnitude,
      angular,
      alpha,
      beta,
      u,
      norms,
      radii,
      kTable,
      slope,
      shift,
      relu,
      out,
    );
}

/** {@link productForward} */
function forwardRows<Operators>(
  rows: i32,
  filters: i32,
  givenMagnitude: i32,
  givenAngular: i32,
  alpha: f32,
  beta: f32,
  u: usize,
  norms: usize,
  radii: usize,
  kTable: usize,
  slope: usize,
  shift: usize,
  relu: bool,
  out: usize,
): void {
  const magnitude: i32 = isBoolean<Operators>() ? tanhConv : givenMagnitude;
  const angular: i32 = isBoolean<Operators>() ? cosine : givenAngular;
  const table = constants();
  const row4 = (<usize>((filters + 3) & ~3)) << 2;
  const withRadius = hasRadius(magnitude);
  const alphas = f32x4.splat(alpha);
  const floor = f32x4.splat(relu ? 0 : -Infinity);
  for (let row = 0; row < rows; row++) {
    const n = max<f32>(f32.load(norms + ((<usize>row) << 2)), tiny);
    const ns = held(n);
    const inverse = held(1 / n);
    const shared = held(withRadius ? alpha / n : patchRatio(magnitude, n, alpha, beta));
    const at = <usize>row * <usize>filters;
    for (let f = 0; f < filters; f += 4) {
      const offset = (at + <usize>f) << 2;
      const column = (<usize>f) << 2;
      const projection = v128.load(u + offset);
      let ratio = shared;
      if (magnitude === tanhConv)
        ratio = f32x4.mul(tanhOfPositive(f32x4.mul(ns, v128.load(radii + row4 + column)), table), shared);
      else if (withRadius) ratio = cornerRatio(magnitude, ns, v128.load(radii + column), alphas, beta);
      let value: v128;
      if (angular === cosine) {
        value = f32x4.mul(projection, ratio);
      } else if (angular === squareCosine) {
        value = f32x4.mul(f32x4.mul(f32x4.abs(projection), f32x4.mul(projection, inverse)), ratio);
      } else if (angular === power) {
        const c = f32x4.mul(projection, inverse);
        value = f32x4.mul(f32x4.mul(projection, ratio), lesserPower(c, f32.load(kTable)));
      } else {
        const complement = asin(clampedCosine(projection, inverse), table);
        const g =
          angular === linearAngle
            ? scaled(complement, <f32>(2 / Math.PI))
            : f32x4.mul(
                tanh(f32x4.mul(complement, v128.load(kTable + column)), table),
                v128.load(kTable + row4 + column),
              );
        value = f32x4.mul(f32x4.mul(ratio, ns), g);
      }
      if (slope !== 0)
        value = f32x4.pmax(affine(value, v128.load(slope + column), v128.load(shift + column)), floor);
      storeLanes(out + offset, value, lanesAt(f, filters));
    }
  }
}

/**
 * Gradients of {@link productForward} in one pass.
 * @param dy [rows, filters]
 * @param du [rows, filters], written
 * @param dn [rows], written
 * @param sums four rows of `filters`, each filled up to a multiple of 4, all 0 at the start: dR and dk are the third and
 *   fourth at the end
 */
export function productBackward(
  rows: i32,
  filters: i32,
  magnitude: i32,
  angular: i32,
  alpha: f32,
  beta: f32,
  u: usize,
  norms: usize,
  radii: usize,
  kTable: usize,
  dy: usize,
  du: usize,
  dn: usize,
  sums: usize,
): void {
  if (magnitude === tanhConv && angular === cosine)
    backwardRows<OnlyTanhCosine>(
      rows,
      filters,
      magnitude,
      angular,
      alpha,
      beta,
      u,
      norms,
      radii,
      kTable,
      dy,
      du,
      dn,
      sums,
    );
  else
    backwardRows<AnyOperator>(
      rows,
      filters,
      magnitude,
      angular,
      alpha,
      beta,
      u,
      norms,
      radii,
      kTable,
      dy,
      du,
      dn,
      sums,
    );
}

/** {@link productBackward} */
function backwardRows<Operators>(
  rows: i32,
  filters: i32,
  givenMagnitude: i32,
  givenAngular: i32,
  alpha: f32,
  beta: f32,
  u: usize,
  norms: usize,
  radii: usize,
  kTable: usize,
  dy: usize,
  du: usize,
  dn: usize,
  sums: usize,
): void {
  const magnitude: i32 = isBoolean<Operators>() ? tanhConv : givenMagnitude;
  const angular: i32 = isBoolean<Operators>() ? cosine : givenAngular;
  const table = constants();
  const row4 = (<usize>((filters + 3) & ~3)) << 2;
  const withRadius = hasRadius(magnitude);
  const withK = angular === sigmoid;
  const alphas = f32x4.splat(alpha);
  const one = held(1);
  for (let row = 0; row < rows; row++) {
    const n = max<f32>(f32.load(norms + ((<usize>row) << 2)), tiny);
    const ns = held(n);
    const inverse = held(1 / n);
    const sharedRatio = held(withRadius ? alpha / n : patchRatio(magnitude, n, alpha, beta));
    const sharedSlope = held(withRadius ? 0 : patchSlope(magnitude, n, alpha, beta));
    const at = <usize>row * <usize>filters;
    let byNorm = f32x4.splat(0);
    for (let f = 0; f < filters; f += 4) {
      const offset = (at + <usize>f) << 2;
      const column = (<usize>f) << 2;
      const lanes = lanesAt(f, filters);
      const projection = v128.load(u + offset);
      const upstream = v128.load(dy + offset);

      let ratio = sharedRatio;
      let slope = sharedSlope;
      let byRadius = f32x4.splat(0);
      if (magnitude === tanhConv) {
        const inverseR = v128.load(radii + row4 + column);
        const z = f32x4.mul(ns, inverseR);
        const t = tanhOfPositive(z, table);
        ratio = f32x4.mul(t, sharedRatio);
        slope = f32x4.mul(f32x4.mul(alphas, inverseR), f32x4.sub(one, f32x4.mul(t, t)));
        byRadius = f32x4.neg(f32x4.mul(z, slope));
      } else if (magnitude === ball) {
        const R = v128.load(radii + column);
        ratio = f32x4.div(alphas, f32x4.pmax(ns, R));
        slope = v128.and(f32x4.div(alphas, R), f32x4.le(ns, R));
        byRadius = f32x4.neg(f32x4.div(f32x4.mul(slope, ns), R));
      } else if (magnitude === seg) {
        const R = v128.load(radii + column);
        ratio = cornerRatio(magnitude, ns, R, alphas, beta);
        byRadius = v128.and(f32x4.splat(alpha - beta), f32x4.gt(ns, R));
        slope = f32x4.sub(alphas, byRadius);
      }

      let g = f32x4.mul(projection, inverse);
      const c = g;
      let gSlope = one;
      if (angular === squareCosine) {
        gSlope = f32x4.abs(c);
        g = f32x4.mul(gSlope, c);
        gSlope = f32x4.add(gSlope, gSlope);
      } else if (angular === power) {
        const exponent = f32.load(kTable);
        const lesser = lesserPower(c, exponent);
        g = f32x4.mul(lesser, c);
        gSlope = scaled(lesser, exponent);
      } else if (angular !== cosine) {
        const clamped = clampedCosine(projection, inverse);
        const complement = asin(clamped, table);
        const sine = f32x4.sqrt(f32x4.mul(f32x4.sub(one, clamped), f32x4.add(one, clamped)));
        if (angular === linearAngle) {
          g = scaled(complement, <f32>(2 / Math.PI));
          gSlope = f32x4.div(f32x4.splat(<f32>(2 / Math.PI)), sine);
        } else {
          const halfInverseK = v128.load(kTable + column);
          const inverseFull = v128.load(kTable + row4 + column);
          const t = tanh(f32x4.mul(complement, halfInverseK), table);
          g = f32x4.mul(t, inverseFull);
          // dg/dA with A = π/2 − θ; ∂g/∂k = g·(∂(1/T)/∂k)·T − 2·(1/2k)·A·dg/dA.
          const fall = f32x4.mul(f32x4.mul(f32x4.sub(one, f32x4.mul(t, t)), halfInverseK), inverseFull);
          gSlope = f32x4.div(fall, sine);
          const inverseK = f32x4.add(halfInverseK, halfInverseK);
          const byK = f32x4.sub(
            f32x4.mul(g, v128.load(kTable + 2 * row4 + column)),
            f32x4.mul(f32x4.mul(fall, inverseK), complement),
          );
          const share = f32x4.mul(f32x4.mul(upstream, f32x4.mul(ratio, ns)), byK);
          v128.store(sums + row4 + column, f32x4.add(v128.load(sums + row4 + column), share));
        }
      }

      const byProjection = f32x4.mul(f32x4.mul(upstream, ratio), gSlope);
      const byValue = f32x4.mul(upstream, g);
      storeLanes(du + offset, byProjection, lanes);
      const norm = f32x4.sub(f32x4.mul(byValue, slope), f32x4.mul(byProjection, c));
      byNorm = f32x4.add(byNorm, lanes === 4 ? norm : v128.and(norm, laneMask(lanes)));
      if (withRadius) v128.store(sums + column, multiplyAdd(byValue, byRadius, v128.load(sums + column)));
    }
    f32.store(dn + ((<usize>row) << 2), sumLanes(byNorm));
    if ((row & (block - 1)) === block - 1 || row === rows - 1) {
      if (withRadius) flush(sums, sums + 2 * row4, row4);
      if (withK) flush(sums + row4, sums + 3 * row4, row4);
    }
  }
}

/** Add a row of partial sums to its totals and clear it. */
function flush(partial: usize, total: usize, bytes: usize): void {
  for (let at: usize = 0; at < bytes; at += 16) {
    v128.store(total + at, f32x4.add(v128.load(total + at), v128.load(partial + at)));
    v128.store(partial + at, f32x4.splat(0));
  }
}
