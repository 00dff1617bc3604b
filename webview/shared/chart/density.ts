import type { Histogram } from '../../../src/core/statistics/inspection.js';
import type { Point } from './marks.js';

/** One bin as it is drawn. */
export interface DensityBin {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Share of all counts, 0 to 1. */
  readonly share: number;
  /** Count for each pixel of axis, as a part of the tallest shown: 0 to 1. Areas are true whatever the bins' widths. */
  readonly height: number;
  /** Rises above what is shown: `height` is 1, and the chart must say how much it really is. */
  readonly cut: boolean;
}

/**
 * The value to scale a picture by. Usually the greatest; where that stands far above nearly all the others (as when
 * all patches of an image's background have one norm), a smaller one, so that the others can be seen at all.
 * @param share the part of the values other than 0 that counts as nearly all
 * @param far how many times greater than those is far above
 */
export function shownMaximum(values: readonly number[], share: number, far: number): number {
  const sorted = values.filter((value) => value > 0).sort((a, b) => a - b);
  const [greatest, usual] = [sorted.at(-1) ?? 0, sorted[Math.floor(share * (sorted.length - 1))] ?? 0];
  return greatest > far * usual ? (far / 2) * usual : greatest;
}

/** Share of all counts for each pixel of axis, bin by bin. @param place data → pixels along the axis */
function sharesPerPixel({ edges, counts }: Histogram, place: (value: number) => number): readonly number[] {
  const total = counts.reduce((sum, value) => sum + value, 0);
  return counts.map((value, i) => {
    const width = Math.abs(place(edges[i + 1]!) - place(edges[i]!));
    return width > 0 && total > 0 ? value / total / width : 0;
  });
}

/** The share per pixel that has full height where these histograms stand in one picture. */
export function fullHeight(histograms: readonly Histogram[], place: (value: number) => number): number {
  return Math.max(
    0,
    ...histograms.map((histogram) => shownMaximum(sharesPerPixel(histogram, place), 0.9, 4)),
  );
}

/**
 * Histogram → bins with heights.
 * @param place data → pixels along the axis
 * @param tallest the share per pixel that has full height; see {@link fullHeight}
 */
export function densityBins(
  histogram: Histogram,
  place: (value: number) => number,
  tallest = fullHeight([histogram], place),
): readonly DensityBin[] {
  const { edges, counts } = histogram;
  const total = counts.reduce((sum, value) => sum + value, 0);
  const densities = sharesPerPixel(histogram, place);
  return counts.map((value, i) => ({
    from: edges[i]!,
    to: edges[i + 1]!,
    count: value,
    share: total > 0 ? value / total : 0,
    height: tallest > 0 ? Math.min(1, densities[i]! / tallest) : 0,
    cut: densities[i]! > tallest,
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
