import type { Distribution } from './inspection.js';

/** `bins + 1` equally spaced edges. */
export function linearEdges(from: number, to: number, bins: number): number[] {
  return Array.from({ length: bins + 1 }, (_, i) => from + ((to - from) * i) / bins);
}

/** Sums from which mean and deviation follow. */
export interface Moments {
  readonly count: number;
  readonly sum: number;
  readonly sumOfSquares: number;
  readonly minimum: number;
  readonly maximum: number;
}

/**
 * A distribution from its histogram and moments. Percentiles are interpolated linearly inside their bin and never lie
 * outside [minimum, maximum]; with no values at all everything but the edges is 0.
 */
export function distribution(
  edges: readonly number[],
  counts: ArrayLike<number>,
  moments: Moments,
): Distribution {
  const histogram = { edges: [...edges], counts: Array.from(counts) };
  const { count, sum, sumOfSquares, minimum, maximum } = moments;
  if (count === 0) {
    return { histogram, count, mean: 0, deviation: 0, minimum: 0, maximum: 0, p05: 0, median: 0, p95: 0 };
  }
  const mean = sum / count;
  const clamp = (value: number): number => Math.min(maximum, Math.max(minimum, value));
  const at = (share: number): number => clamp(quantile(edges, histogram.counts, share));
  return {
    histogram,
    count,
    mean,
    deviation: Math.sqrt(Math.max(0, sumOfSquares / count - mean * mean)),
    minimum,
    maximum,
    p05: at(0.05),
    median: at(0.5),
    p95: at(0.95),
  };
}

/** The value below which `share` of a histogram's counts lie, interpolated linearly inside its bin. */
export function quantile(edges: readonly number[], counts: readonly number[], share: number): number {
  const total = counts.reduce((a, b) => a + b, 0);
  let left = share * total;
  for (const [i, inBin] of counts.entries()) {
    if (inBin > 0 && left <= inBin)
      return edges[i]! + (edges[i + 1]! - edges[i]!) * Math.max(0, left / inBin);
    left -= inBin;
  }
  return edges[edges.length - 1]!;
}
