import type { CellValues, Judgement, PaperValue } from './experiment.js';

interface Place {
  readonly row: string;
  readonly column: string;
}

/** Percentage points; what `n/c` counts as: worse than any error. */
const notConverged = Number.POSITIVE_INFINITY;
/** Behind evidence that other cells could only add to. */
const soFar = ' (of the cells that have a number)';

function shown(value: PaperValue): string {
  return value === 'n/c' ? value : value.toFixed(2);
}

function errorOf(value: PaperValue): number {
  return value === 'n/c' ? notConverged : value;
}

/**
 * Whether every error of the first places is below every error of the others; undefined while what is there does not
 * contradict it and something is missing.
 */
export function judgeLower(
  values: CellValues,
  better: readonly Place[],
  worse: readonly Place[],
): Judgement | undefined {
  const read = (places: readonly Place[]) =>
    places.map(({ row, column }) => values(row, column)).filter((value) => value !== undefined);
  const [low, high] = [read(better), read(worse)];
  const holds = Math.max(...low.map(errorOf)) < Math.min(...high.map(errorOf));
  const isComplete = low.length === better.length && high.length === worse.length;
  if (!isComplete && (holds || low.length === 0 || high.length === 0)) return undefined;
  const words = (list: readonly PaperValue[]): string => {
    const sorted = [...list].sort((a, b) => errorOf(a) - errorOf(b)).map(shown);
    return list.length === 1 ? sorted[0]! : `${sorted[0]} to ${sorted.at(-1)}`;
  };
  return { holds, evidence: `${words(low)} against ${words(high)}${isComplete ? '' : soFar}` };
}

/**
 * Whether in every row the error of the first column is below that of the second; undefined while no row contradicts it
 * and something is missing.
 */
export function judgeRows(
  values: CellValues,
  rows: readonly string[],
  better: string,
  worse: string,
): Judgement | undefined {
  const pairs = rows.flatMap((row) => {
    const [low, high] = [values(row, better), values(row, worse)];
    return low === undefined || high === undefined ? [] : [{ row, low, high }];
  });
  const isComplete = pairs.length === rows.length;
  const failing = pairs.filter(({ low, high }) => !(errorOf(low) < errorOf(high)));
  if (!isComplete && failing.length === 0) return undefined;
  const listed = (list: typeof pairs): string =>
    list.map(({ row, low, high }) => `${row} ${shown(low)} against ${shown(high)}`).join('; ');
  return {
    holds: failing.length === 0,
    evidence: failing.length === 0 ? listed(pairs) : `not so: ${listed(failing)}${isComplete ? '' : soFar}`,
  };
}

/**
 * Whether the error falls from one column to another by more points in one row than in every other; undefined while no row
 * contradicts it and something is missing. A cell that did not converge has no number to fall from or to.
 */
export function judgeGain(
  values: CellValues,
  most: string,
  others: readonly string[],
  from: string,
  to: string,
): Judgement | undefined {
  const gainOf = (row: string): number | undefined => {
    const [before, after] = [values(row, from), values(row, to)];
    return typeof before === 'number' && typeof after === 'number' ? before - after : undefined;
  };
  const largest = gainOf(most);
  const gains = others.map(gainOf).filter((gain) => gain !== undefined);
  if (largest === undefined || gains.length === 0) return undefined;
  const isComplete = gains.length === others.length;
  const holds = largest > 0 && gains.every((gain) => gain < largest);
  if (!isComplete && holds) return undefined;
  const sorted = gains.sort((a, b) => a - b);
  const words = sorted.length === 1 ? shown(sorted[0]!) : `${shown(sorted[0]!)} to ${shown(sorted.at(-1)!)}`;
  return {
    holds,
    evidence: `${shown(largest)} points in ${most} against ${words}${isComplete ? '' : soFar}`,
  };
}

/** Whether just those cells converged that should; undefined while none differs and something is missing. */
export function judgeConvergence(
  values: CellValues,
  expected: readonly (Place & { readonly converges: boolean })[],
): Judgement | undefined {
  const read = expected.flatMap((place) => {
    const value = values(place.row, place.column);
    return value === undefined ? [] : [{ ...place, value }];
  });
  const isComplete = read.length === expected.length;
  const wrong = read.filter(({ converges, value }) => (value === 'n/c') === converges);
  if (!isComplete && wrong.length === 0) return undefined;
  const did = read.filter(({ value }) => value === 'n/c').map(({ row, column }) => `${row} · ${column}`);
  return {
    holds: wrong.length === 0,
    evidence:
      (did.length === 0 ? 'every cell converged' : `did not converge: ${did.join(', ')}`) +
      (wrong.length === 0
        ? ''
        : `; otherwise than in the paper: ${wrong.map(({ row, column, value }) => `${row} · ${column} ${shown(value)}`).join(', ')}`) +
      (isComplete ? '' : soFar),
  };
}
