import { linearEdges } from '../../core/statistics/histogram.js';
import { finestAngleBins } from './angles.js';

const normBins = 64;
const jointNormBins = 48;

/** What the second pass counts; joint counts are kept a degree fine and summed to coarser bins at the end. */
export class Counts {
  strong = 0;
  weak = 0;
  normSum = 0;
  normSquares = 0;
  smallestNorm = Number.POSITIVE_INFINITY;
  angleSum = 0;
  angleSquares = 0;
  smallestAngle = 180;
  largestAngle = 0;
  /** Pairs beyond the filter's radius. */
  beyond = 0;
  readonly norms = new Float64Array(normBins);
  /** [norm bin][degree]. */
  readonly joint = new Float64Array(jointNormBins * finestAngleBins);
  readonly normEdges: number[];
  readonly jointNormEdges: number[];

  constructor(
    readonly floor: number,
    from: number,
    to: number,
  ) {
    // All norms alike: a narrow range around them, since a histogram needs a width.
    const [low, high] = from < to ? [from, to] : [from * 0.999, from * 1.001];
    const finite = Number.isFinite(low) && Number.isFinite(high);
    this.normEdges = linearEdges(finite ? low : 0, finite ? high : 1, normBins);
    this.jointNormEdges = linearEdges(finite ? low : 0, finite ? high : 1, jointNormBins);
  }

  addNorm(norm: number): void {
    this.strong++;
    this.normSum += norm;
    this.normSquares += norm * norm;
    if (norm < this.smallestNorm) this.smallestNorm = norm;
    this.norms[binOf(this.normEdges, norm)]!++;
  }

  /** Where the joint counts of a norm begin. */
  jointRow(norm: number): number {
    return binOf(this.jointNormEdges, norm) * finestAngleBins;
  }

  angles(bins: number): number[] {
    return sumInto(this.joint, bins, 1);
  }

  jointCounts(bins: number): number[] {
    return sumInto(this.joint, bins, jointNormBins);
  }
}

/** [norm bin][degree] → [rows][bins], where rows is 1 (all norms together) or the number of norm bins. */
function sumInto(joint: Float64Array, bins: number, rows: number): number[] {
  const sums = new Array<number>(rows * bins).fill(0);
  const width = finestAngleBins / bins;
  for (const [i, count] of joint.entries()) {
    const row = rows === 1 ? 0 : Math.floor(i / finestAngleBins);
    sums[row * bins + Math.floor((i % finestAngleBins) / width)]! += count;
  }
  return sums;
}

/** The bin of equally spaced edges that a value lies in; compared with the edges, so that rounding misplaces none. */
function binOf(edges: readonly number[], value: number): number {
  const bins = edges.length - 1;
  const low = edges[0]!;
  const guess = Math.floor(((value - low) / (edges[bins]! - low)) * bins);
  const bin = Math.max(0, Math.min(bins - 1, guess));
  if (bin > 0 && value < edges[bin]!) return bin - 1;
  if (bin < bins - 1 && value >= edges[bin + 1]!) return bin + 1;
  return bin;
}
