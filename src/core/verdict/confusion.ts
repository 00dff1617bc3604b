import type { ErrorAnalysis } from './analysis.js';
import type { Verdict } from './verdict.js';

/** [true class][predicted class]. */
export type Matrix = readonly (readonly number[])[];

/** Images by true class (rows) and predicted class (columns). */
export function confusionMatrix(
  labels: readonly number[],
  predicted: readonly number[],
  classes: number,
): Matrix {
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  labels.forEach((label, i) => {
    counts[label]![predicted[i]!]!++;
  });
  return counts;
}

export const normalisations = ['none', 'row', 'column'] as const;
export type Normalisation = (typeof normalisations)[number];

/** Shares of the row's (the true class's) or of the column's (the predicted class's) images; 0 where there are none. */
export function normaliseMatrix(matrix: Matrix, by: Normalisation): Matrix {
  if (by === 'none') return matrix;
  const columns = matrix.map((_, j) => matrix.reduce((sum, row) => sum + row[j]!, 0));
  return matrix.map((row) => {
    const inRow = row.reduce((sum, value) => sum + value, 0);
    return row.map((value, j) => {
      const total = by === 'row' ? inRow : columns[j]!;
      return total === 0 ? 0 : value / total;
    });
  });
}

/**
 * An order of the classes in which those that are taken for each other stand together. Similarity is the sum of both
 * cells as shares of their rows; the order starts with the most confused pair and takes on, at either end, the class
 * most similar to that end.
 */
export function similarityOrder(matrix: Matrix): number[] {
  const shares = normaliseMatrix(matrix, 'row');
  const classes = matrix.length;
  const similarity = (a: number, b: number): number => shares[a]![b]! + shares[b]![a]!;
  if (classes < 3) return matrix.map((_, i) => i);
  let best: readonly [number, number] = [0, 1];
  for (let a = 0; a < classes; a++)
    for (let b = a + 1; b < classes; b++) if (similarity(a, b) > similarity(...best)) best = [a, b];
  const order: number[] = [...best];
  const left = new Set(matrix.map((_, i) => i).filter((i) => !order.includes(i)));
  while (left.size > 0) {
    const [first, last] = [order[0]!, order.at(-1)!];
    let chosen = { value: -1, at: 0, atEnd: true };
    for (const at of left)
      for (const atEnd of [true, false]) {
        const value = similarity(at, atEnd ? last : first);
        if (value > chosen.value) chosen = { value, at, atEnd };
      }
    left.delete(chosen.at);
    if (chosen.atEnd) order.push(chosen.at);
    else order.unshift(chosen.at);
  }
  return order;
}

/** One error, as lists and files show it. */
export interface ErrorRow {
  /** Position among the errors. */
  readonly at: number;
  /** Position in the split. */
  readonly index: number;
  readonly label: number;
  readonly predicted: number;
  readonly verdict: Verdict;
  /** Name of the layer where it turns. */
  readonly layer: string | undefined;
  readonly marginDegrees: number;
  readonly featureNorm: number;
  /** `undefined` where no image of the class is classified rightly. */
  readonly normPercentile: number | undefined;
  readonly hardness: number;
}

export function errorRows({ errors, labels, predicted, layers }: ErrorAnalysis): readonly ErrorRow[] {
  return errors.index.map((index, at) => ({
    at,
    index,
    label: labels[index]!,
    predicted: predicted[index]!,
    verdict: errors.verdict[at]!,
    layer: layers[errors.layer[at]!],
    marginDegrees: errors.marginDegrees[at]!,
    featureNorm: errors.featureNorm[at]!,
    normPercentile: errors.normPercentile[at]! < 0 ? undefined : errors.normPercentile[at]!,
    hardness: errors.hardness[at]!,
  }));
}

/** How two checkpoints' predictions of the same images compare. */
export interface Comparison {
  readonly bothRight: number;
  readonly bothWrong: readonly number[];
  /** Images that only B classifies rightly. */
  readonly fixed: readonly number[];
  /** Images that only A classifies rightly. */
  readonly regressed: readonly number[];
}

/** @param a, b classes given to each image */
export function comparePredictions(
  labels: readonly number[],
  a: readonly number[],
  b: readonly number[],
): Comparison {
  const [bothWrong, fixed, regressed]: [number[], number[], number[]] = [[], [], []];
  let bothRight = 0;
  labels.forEach((label, i) => {
    const [rightA, rightB] = [a[i] === label, b[i] === label];
    if (rightA && rightB) bothRight++;
    else if (rightB) fixed.push(i);
    else if (rightA) regressed.push(i);
    else bothWrong.push(i);
  });
  return { bothRight, bothWrong, fixed, regressed };
}
