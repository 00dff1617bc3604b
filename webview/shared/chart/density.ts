import type { Histogram } from '../../../src/core/statistics/inspection.js';
import type { Point } from './marks.js';

/** One bin as it is drawn. */
export interface DensityBin {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Share of all counts, 0 to 1. */
  readonly share: number;
  /** Count for each pixel of axis, as a part of the tallest: 0 to 1. Areas are true whatever the bins' widths. */
  readonly height: number;
}

/**
 * Histogram → bins with heights.
 * @param place data → pixels along the axis
 */
export function densityBins(histogram: Histogram, place: (value: number) => number): readonly DensityBin[] {
  const { edges, counts } = histogram;
  const total = counts.reduce((sum, value) => sum + value, 0);
  const densities = counts.map((value, i) => {
    const width = Math.abs(place(edges[i + 1]!) - place(edges[i]!));
    return width > 0 ? value / width : 0;
  });
  const tallest = Math.max(0, ...densities);
  return counts.map((value, i) => ({
    from: edges[i]!,
    to: edges[i + 1]!,
    count: value,
    share: total > 0 ? value / total : 0,
    height: tallest > 0 ? densities[i]! / tallest : 0,
  }));
}

/** The stepped outline of bins: along the axis `place`, across it `rise` (of 0 to 1). */
export function densityOutline(
  bins: readonly DensityBin[],
  place: (value: number) => number,
  rise: (height: number) => number,
  axis: 'x' | 'y',
): readonly Point[] {
  return bins.flatMap((bin) =>
    [bin.from, bin.to].map((edge): Point => {
      const along = place(edge);
      const across = rise(bin.height);
      return axis === 'x' ? [along, across] : [across, along];
    }),
  );
}

/** Index of the bin that holds a value; values outside belong to the nearest end. */
export function binAt(edges: readonly number[], value: number): number {
  let low = 0;
  let high = edges.length - 2;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (edges[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
