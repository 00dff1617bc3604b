import type * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from '../operator/fusedKernels.js';
import { degreeBin, degreesOf, finestAngleBins } from './angles.js';

/** Bins of ‖x‖, and how many of them (2^shift) the joint counts put together. */
export const finestNormBins = 512;
export const jointShift = 2;
export const finestJointRows = finestNormBins >> jointShift;

/** What is counted of some patches. Angles enter the sums as 90° − θ, which is near 0 for most pairs. */
export class PairCounts {
  /** Patches that reach the floor, and the others. */
  strong = 0;
  weak = 0;
  normSum = 0;
  normSquares = 0;
  leastNorm = Number.POSITIVE_INFINITY;
  greatestNorm = 0;
  complementSquares = 0;
  leastComplement = 90;
  greatestComplement = -90;
  /** Pairs whose norm is beyond the filter's radius. */
  beyond = 0;
  /** Σ(90° − θ) of each filter. */
  readonly complements: Float64Array;
  readonly norms = new Int32Array(finestNormBins);
  /** [norm bin >> shift][degree]. */
  readonly joint = new Int32Array(finestJointRows * finestAngleBins);

  constructor(readonly filters: number) {
    this.complements = new Float64Array(filters);
  }

  /** Start anew in the same memory. */
  clear(): void {
    Object.assign(this, {
      strong: 0,
      weak: 0,
      normSum: 0,
      normSquares: 0,
      leastNorm: Number.POSITIVE_INFINITY,
      greatestNorm: 0,
      complementSquares: 0,
      leastComplement: 90,
      greatestComplement: -90,
      beyond: 0,
    });
    for (const values of [this.complements, this.norms, this.joint]) values.fill(0);
  }
}

/** How a layer's patches are counted. */
export interface Counting {
  /** Patches of a smaller norm have no direction worth the name: they are only counted. */
  readonly floor: number;
  /** Where the first bin of ‖x‖ begins. */
  readonly origin: number;
  /** Bins to a unit of ‖x‖. */
  readonly scale: number;
  /** cos θ = projection · factor / ‖x‖, [F]. */
  readonly factors: Float32Array;
  /** Radii in use, increasing; empty where the operator has none. */
  readonly radii: Float32Array;
}

/** @internal Attributes of the kernel. */
export interface CountPairsAttributes extends Counting {
  /** Images of the batch that are counted. */
  readonly images: readonly number[];
  readonly into: PairCounts;
}

/**
 * Count the (patch, filter) pairs of some images of a batch. A degree's edges are met within 5e-5 degrees, the
 * rounding of float32; the kernel and the plain loop may differ by the pairs that close to one.
 * @param projection [N, H′, W′, F] or [N, F]
 * @param norms ‖x‖ without ε, [N, H′, W′, 1] or [N]
 * @param into cleared and counted into
 */
export function countPairs(
  projection: tf.Tensor,
  norms: tf.Tensor,
  images: readonly number[],
  counting: Counting,
  into = new PairCounts(projection.shape.at(-1)!),
): PairCounts {
  into.clear();
  if (hasFused('CountPairs')) {
    const attributes: CountPairsAttributes = { ...counting, images, into };
    runFused('CountPairs', { projection, norms }, attributes);
    return into;
  }
  const dots = projection.dataSync<'float32'>();
  const lengths = norms.dataSync<'float32'>();
  const patches = norms.size / norms.shape[0]!;
  for (const image of images)
    for (let p = image * patches; p < (image + 1) * patches; p++)
      countPatch(dots, p, lengths[p]!, counting, into);
  return into;
}

/** One patch with every filter. */
function countPatch(
  dots: Float32Array,
  patch: number,
  norm: number,
  { floor, origin, scale, factors, radii }: Counting,
  into: PairCounts,
): void {
  if (!(norm >= floor)) {
    into.weak++;
    return;
  }
  const { filters, joint, complements } = into;
  into.strong++;
  into.normSum += norm;
  into.normSquares += norm * norm;
  into.leastNorm = Math.min(into.leastNorm, norm);
  into.greatestNorm = Math.max(into.greatestNorm, norm);
  const bin = Math.max(0, Math.min(finestNormBins - 1, Math.trunc((norm - origin) * scale)));
  into.norms[bin]!++;
  const row = (bin >> jointShift) * finestAngleBins;
  for (let f = 0; f < filters; f++) {
    const cosine = Math.max(-1, Math.min(1, (dots[patch * filters + f]! * factors[f]!) / norm));
    const theta = degreesOf(cosine);
    const complement = 90 - theta;
    joint[row + degreeBin(cosine, theta)]!++;
    complements[f]! += complement;
    into.complementSquares += complement * complement;
    if (complement < into.leastComplement) into.leastComplement = complement;
    if (complement > into.greatestComplement) into.greatestComplement = complement;
  }
  if (radii.length > 0) into.beyond += countBelow(radii, norm);
}

/** How many of the increasing values are less than `limit`. */
function countBelow(increasing: Float32Array, limit: number): number {
  let low = 0;
  let high = increasing.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (increasing[middle]! < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
