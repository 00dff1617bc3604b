import type { Cell, CellValues, Experiment, ExperimentData, PaperValue } from './experiment.js';

/** What a run, or an attack on it, gave for one seed. */
export interface SeedValue {
  readonly seed: number;
  /** Percent; `failed` where there is no number, for a reason that is not the network's. */
  readonly value: PaperValue | 'failed';
}

export interface CellResult {
  readonly cell: Cell;
  readonly values: readonly SeedValue[];
}

export interface Spread {
  /** Those that ended, well or not. */
  readonly seeds: number;
  /** Mean over the seeds that converged, or `n/c` where most did not; undefined where all failed. */
  readonly mean: PaperValue | undefined;
  /** Standard deviation over the seeds (n − 1); undefined for one seed. */
  readonly deviation: number | undefined;
  /** Seeds that did not converge. */
  readonly notConverged: number;
  readonly failed: number;
}

const classes: Readonly<Record<ExperimentData['kind'], number>> = {
  'fashion-mnist': 10,
  mnist: 10,
  cifar10: 10,
  cifar100: 100,
};

/** A training that ends at less than this many times the accuracy of guessing has not converged. */
const convergedOverChance = 2;

/** @param accuracy share of the test images, after the last step */
export function hasConverged(accuracy: number, data: ExperimentData['kind']): boolean {
  return accuracy >= convergedOverChance / classes[data];
}

/** Over the seeds of a cell; undefined where there is none yet. */
export function spreadOf(values: readonly SeedValue[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const numbers = values.flatMap(({ value }) => (typeof value === 'number' ? [value] : []));
  const notConverged = values.filter(({ value }) => value === 'n/c').length;
  const counts = {
    seeds: values.length,
    notConverged,
    failed: values.length - numbers.length - notConverged,
  };
  if (numbers.length === 0 && notConverged === 0) return { ...counts, mean: undefined, deviation: undefined };
  if (notConverged > numbers.length) return { ...counts, mean: 'n/c', deviation: undefined };
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  const squares = numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    ...counts,
    mean,
    deviation: numbers.length > 1 ? Math.sqrt(squares / (numbers.length - 1)) : undefined,
  };
}

/** The means, for the claims. */
export function valuesOf(results: readonly CellResult[]): CellValues {
  return (row, column) =>
    spreadOf(results.find(({ cell }) => cell.row === row && cell.column === column)?.values ?? [])?.mean;
}

/** Cells whose row, column or run matches one of the patterns, `*` standing for anything; all where there is none. */
export function chooseCells({ cells }: Experiment, patterns: readonly string[]): readonly Cell[] {
  if (patterns.length === 0) return cells;
  const tests = patterns.map((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`, 'iu');
  });
  return cells.filter(({ row, column, run }) =>
    tests.some((test) => [row, column, run].some((text) => test.test(text))),
  );
}
