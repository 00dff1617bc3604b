import { linearEdges } from '../../core/statistics/histogram.js';
import { type GroupCounts, groupAngleBins } from '../../core/statistics/splits.js';
import { finestAngleBins } from './angles.js';
import { finestJointRows, finestNormBins, type PairCounts } from './pairCounts.js';

/** Joint rows of a group: two of the finest together. */
const groupRows = finestJointRows / 2;
const groupCells = groupRows * groupAngleBins;
/** Bins of the angles' own distribution: two degrees each. */
const angleBins = 90;
const jointAngleBins = 60;
const mostNormBins = 128;
const mostJointRows = 64;
/** The first batch's range is widened by this share of it on each side. */
const margin = 1 / 8;

/** Finest joint cell → a group's cell. */
const groupCellOf = Int32Array.from({ length: finestJointRows * finestAngleBins }, (_, i) => {
  const [row, degree] = [Math.floor(i / finestAngleBins), i % finestAngleBins];
  return (row >> 1) * groupAngleBins + Math.floor((degree * groupAngleBins) / finestAngleBins);
});

class Sums {
  strong = 0;
  weak = 0;
  normSum = 0;
  normSquares = 0;
  leastNorm = Number.POSITIVE_INFINITY;
  greatestNorm = 0;
  complementSum = 0;
  complementSquares = 0;
  leastComplement = 90;
  greatestComplement = -90;
  beyond = 0;

  add(counts: PairCounts): void {
    this.strong += counts.strong;
    this.weak += counts.weak;
    this.normSum += counts.normSum;
    this.normSquares += counts.normSquares;
    this.leastNorm = Math.min(this.leastNorm, counts.leastNorm);
    this.greatestNorm = Math.max(this.greatestNorm, counts.greatestNorm);
    this.complementSum += counts.complements.reduce((sum, value) => sum + value, 0);
    this.complementSquares += counts.complementSquares;
    this.leastComplement = Math.min(this.leastComplement, counts.leastComplement);
    this.greatestComplement = Math.max(this.greatestComplement, counts.greatestComplement);
    this.beyond += counts.beyond;
  }
}

class Group {
  readonly sums = new Sums();
  readonly norms = new Float64Array(finestNormBins);
  readonly angles = new Float64Array(angleBins);
  readonly joint = new Float64Array(groupCells);
}

/** A layer's counts as they are handed on: in bins that fit what was seen. */
export interface FittedCounts {
  readonly normEdges: number[];
  readonly norms: number[];
  readonly angles: number[];
  readonly jointNormEdges: number[];
  readonly joint: number[];
  readonly groupNormEdges: number[];
  readonly groups: readonly GroupCounts[];
}

/**
 * Counts of one layer that range themselves: a fixed number of bins of ‖x‖ whose width doubles when a value falls
 * outside, neighbours being put together, so that counts stay exact without a first pass to find the range. Widths are
 * powers of two. Memory does not grow with the number of images.
 */
export class Counts {
  readonly sums = new Sums();
  /** Σ(90° − θ) of each filter. */
  readonly complements: Float64Array;
  readonly #norms = new Float64Array(finestNormBins);
  readonly #joint = new Float64Array(finestJointRows * finestAngleBins);
  readonly #groups: readonly Group[];
  #origin = 0;
  #width = 0;

  constructor(filters: number, groups: number) {
    this.complements = new Float64Array(filters);
    this.#groups = Array.from({ length: groups }, () => new Group());
  }

  /** Where the first bin begins, and bins to a unit of ‖x‖. */
  get bins(): { readonly origin: number; readonly scale: number } {
    return { origin: this.#origin, scale: this.#width === 0 ? 0 : 1 / this.#width };
  }

  /** Make room for norms from `low` to `high`. */
  fit(low: number, high: number): void {
    if (low > high) return;
    if (this.#width === 0) this.#start(low, high);
    while (high >= this.#origin + finestNormBins * this.#width) this.#double(0);
    while (low < this.#origin) {
      this.#origin -= finestNormBins * this.#width;
      this.#double(finestNormBins / 2);
    }
  }

  /** Add what was counted, in the present bins, of one group's images. */
  add(counts: PairCounts, groupIndex: number): void {
    const group = this.#groups[groupIndex]!;
    this.sums.add(counts);
    group.sums.add(counts);
    for (let f = 0; f < this.complements.length; f++) this.complements[f]! += counts.complements[f]!;
    for (let i = 0; i < finestNormBins; i++) {
      const count = counts.norms[i]!;
      if (count === 0) continue;
      this.#norms[i]! += count;
      group.norms[i]! += count;
    }
    const { joint } = counts;
    for (let i = 0; i < joint.length; i++) {
      const count = joint[i]!;
      if (count === 0) continue;
      this.#joint[i]! += count;
      group.joint[groupCellOf[i]!]! += count;
      group.angles[(i % finestAngleBins) >> 1]! += count;
    }
  }

  /** In as many bins as are worth showing: 64 to 128 of ‖x‖ (half as many in the joint counts) where norms spread. */
  fitted(): FittedCounts {
    const [from, to] = this.#filled();
    const fine = to - from;
    const normStep = Math.max(1, 2 ** Math.ceil(Math.log2(fine / mostNormBins)));
    const rows = (fine * finestJointRows) / finestNormBins;
    const rowStep = rows > mostJointRows ? 2 : 1;
    const width = this.#width === 0 ? 1 / finestNormBins : this.#width;
    const edges = (step: number): number[] =>
      linearEdges(this.#origin + from * width, this.#origin + to * width, fine / step);
    const perRow = finestNormBins / finestJointRows;
    const norms = (counts: Float64Array): number[] => summed(counts.subarray(from, to), 1, normStep, 1);
    const jointPart = this.#joint.subarray(
      (from / perRow) * finestAngleBins,
      (to / perRow) * finestAngleBins,
    );
    const groupPart = (joint: Float64Array): Float64Array =>
      joint.subarray((from / perRow / 2) * groupAngleBins, (to / perRow / 2) * groupAngleBins);
    return {
      normEdges: edges(normStep),
      norms: norms(this.#norms),
      angles: summed(this.#joint, finestAngleBins, finestJointRows, finestAngleBins / angleBins),
      jointNormEdges: edges(perRow * rowStep),
      joint: summed(jointPart, finestAngleBins, rowStep, finestAngleBins / jointAngleBins),
      groupNormEdges: edges(2 * perRow),
      groups: this.#groups.map((group) => ({
        ...group.sums,
        norms: norms(group.norms),
        angles: group.angles,
        joint: groupPart(group.joint),
      })),
    };
  }

  #start(low: number, high: number): void {
    // All norms alike: a narrow range around them, since a histogram needs a width.
    const spread = Math.max(high - low, high * 1e-3);
    const from = Math.max(0, low - margin * spread);
    this.#width = 2 ** Math.ceil(Math.log2((high + margin * spread - from) / (finestNormBins - 1)));
    this.#origin = Math.floor(from / this.#width) * this.#width;
  }

  /** Put neighbouring bins together; the sums stand from bin `to` on. */
  #double(to: number): void {
    this.#width *= 2;
    halve(this.#norms, 1, to);
    halve(this.#joint, finestAngleBins, (to * finestJointRows) / finestNormBins);
    for (const { norms, joint } of this.#groups) {
      halve(norms, 1, to);
      halve(joint, groupAngleBins, (to * groupRows) / finestNormBins);
    }
  }

  /** The stretch of bins that hold something, in whole rows of the groups' joint counts. */
  #filled(): readonly [from: number, to: number] {
    const step = finestNormBins / groupRows;
    const first = this.#norms.findIndex((count) => count > 0);
    const last = this.#norms.findLastIndex((count) => count > 0);
    if (first < 0) return [0, finestNormBins];
    return [Math.floor(first / step) * step, (Math.floor(last / step) + 1) * step];
  }
}

/** [rows][columns] with each two neighbouring rows added; the sums stand from row `to` on, the others are 0. */
function halve(values: Float64Array, columns: number, to: number): void {
  const rows = values.length / columns;
  const sums = new Float64Array(values.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      sums[(to + (row >> 1)) * columns + column]! += values[row * columns + column]!;
  values.set(sums);
}

/** [rows][columns] with `rowStep` rows and `columnStep` columns added to one. */
function summed(values: Float64Array, columns: number, rowStep: number, columnStep: number): number[] {
  const width = columns / columnStep;
  const sums = new Array<number>((values.length / columns / rowStep) * width).fill(0);
  for (const [i, value] of values.entries()) {
    const [row, column] = [Math.floor(i / columns), i % columns];
    sums[Math.floor(row / rowStep) * width + Math.floor(column / columnStep)]! += value;
  }
  return sums;
}
