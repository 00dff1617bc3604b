import { linearEdges } from './histogram.js';
import type { Histogram, LayerInspection } from './inspection.js';

type Joint = LayerInspection['joint'];
/** h(‖x‖)·g(θ); θ in degrees. */
export type Output = (norm: number, degrees: number) => number;

/** Each cell is looked at in so many places along either side. */
const places = 4;

/** Shares of the output's variance, of 1. */
export interface VarianceShares {
  readonly norm: number;
  readonly angle: number;
  /** What is neither: 1 − norm − angle. */
  readonly rest: number;
}

/**
 * How much of the variance of y = h(‖x‖)·g(θ) each factor carries: the first-order Sobol indices over the measured joint
 * density, S_norm = Var(E[y | ‖x‖]) / Var(y) and S_angle = Var(E[y | θ]) / Var(y), from the cells' middles. What is left
 * is their interplay. Where ‖x‖ and θ depend on each other both may claim the same variance: then the shares add up to
 * more than 1, and the rest is negative.
 * @returns undefined where the output does not vary
 */
export function varianceShares(joint: Joint, output: Output): VarianceShares | undefined {
  const { normEdges, angleEdges, counts } = joint;
  const [rows, columns] = [normEdges.length - 1, angleEdges.length - 1];
  const byNorm = { sums: new Float64Array(rows), counts: new Float64Array(rows) };
  const byAngle = { sums: new Float64Array(columns), counts: new Float64Array(columns) };
  let [total, sum, squares] = [0, 0, 0];
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      const count = counts[i * columns + j]!;
      if (count === 0) continue;
      const y = output((normEdges[i]! + normEdges[i + 1]!) / 2, (angleEdges[j]! + angleEdges[j + 1]!) / 2);
      total += count;
      sum += count * y;
      squares += count * y * y;
      byNorm.sums[i]! += count * y;
      byNorm.counts[i]! += count;
      byAngle.sums[j]! += count * y;
      byAngle.counts[j]! += count;
    }
  const mean = sum / total;
  const variance = squares / total - mean * mean;
  if (!(variance > 1e-12 * (squares / total))) return undefined;
  const between = (part: typeof byNorm): number =>
    part.sums.reduce((sumOfParts, partSum, i) => {
      const count = part.counts[i]!;
      return count === 0 ? sumOfParts : sumOfParts + count * (partSum / count - mean) ** 2;
    }, 0) /
    total /
    variance;
  const [norm, angle] = [between(byNorm), between(byAngle)];
  return { norm, angle, rest: 1 - norm - angle };
}

/** The least and the greatest output over the cells that hold something. */
export function outputRange({ normEdges, angleEdges, counts }: Joint, output: Output): [number, number] {
  const columns = angleEdges.length - 1;
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const [at, count] of counts.entries()) {
    if (count === 0) continue;
    const [i, j] = [Math.floor(at / columns), at % columns];
    for (const norm of [normEdges[i]!, normEdges[i + 1]!])
      for (const angle of [angleEdges[j]!, angleEdges[j + 1]!]) {
        const y = output(norm, angle);
        least = Math.min(least, y);
        greatest = Math.max(greatest, y);
      }
  }
  return least > greatest ? [0, 0] : [least, greatest];
}

/**
 * The distribution of y = h(‖x‖)·g(θ) over the joint density: each cell's pairs are spread evenly over the cell. With
 * another radius in h it is the distribution the layer would have on the same inputs.
 * @param range of the histogram; outputs beyond it fall into its ends
 */
export function outputDistribution(
  joint: Joint,
  output: Output,
  range: readonly [number, number],
  bins = 64,
): Histogram {
  const { normEdges, angleEdges, counts } = joint;
  const columns = angleEdges.length - 1;
  const edges = linearEdges(range[0], range[1] > range[0] ? range[1] : range[0] + 1, bins);
  const sums = new Array<number>(bins).fill(0);
  const scale = bins / (edges[bins]! - edges[0]!);
  for (const [at, count] of counts.entries()) {
    if (count === 0) continue;
    const [i, j] = [Math.floor(at / columns), at % columns];
    for (let a = 0.5; a < places; a++)
      for (let b = 0.5; b < places; b++) {
        const norm = normEdges[i]! + ((normEdges[i + 1]! - normEdges[i]!) * a) / places;
        const angle = angleEdges[j]! + ((angleEdges[j + 1]! - angleEdges[j]!) * b) / places;
        const bin = Math.floor((output(norm, angle) - edges[0]!) * scale);
        sums[Math.max(0, Math.min(bins - 1, bin))]! += count / places ** 2;
      }
  }
  return { edges, counts: sums };
}
