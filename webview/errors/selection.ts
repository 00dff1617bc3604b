import type { ErrorAnalysis } from '../../src/core/verdict/analysis.js';
import { comparePredictions, type ErrorRow, errorRows } from '../../src/core/verdict/confusion.js';
import { mcnemar } from '../../src/core/verdict/mcnemar.js';
import { type Verdict, verdicts } from '../../src/core/verdict/verdict.js';
import type { ErrorPicture, Which } from '../../src/protocol/panels/errors.js';
import type { ErrorsState } from '../../src/protocol/panels/shared.js';

/** What narrows the errors down. */
export type Filters = Pick<ErrorsState, 'label' | 'predicted' | 'verdict' | 'layer' | 'change'>;
export type Change = NonNullable<ErrorsState['change']>;

/** An error that is listed, and of which checkpoint: what regressed is right in the first. */
export interface ListedError extends ErrorRow {
  readonly of: Which;
}

/** Both checkpoints' predictions, counted. */
export interface Compared {
  readonly counts: Readonly<Record<Change, number>>;
  readonly changeOf: ReadonlyMap<number, Change>;
  readonly midP: number;
  readonly exact: number;
}

/** Everything that is worked out once for a picture. */
export interface Digest {
  readonly first: ErrorAnalysis;
  readonly second: ErrorAnalysis | undefined;
  readonly rows: readonly ListedError[];
  readonly secondRows: readonly ListedError[];
  readonly compared: Compared | undefined;
}

export function digest({ analysis, second }: ErrorPicture): Digest {
  return {
    first: analysis,
    second,
    rows: errorRows(analysis).map((row) => ({ ...row, of: 'first' })),
    secondRows: second ? errorRows(second).map((row) => ({ ...row, of: 'second' })) : [],
    compared: second && compare(analysis, second),
  };
}

function compare(a: ErrorAnalysis, b: ErrorAnalysis): Compared {
  const { fixed, regressed, bothWrong } = comparePredictions(a.labels, a.predicted, b.predicted);
  const changeOf = new Map<number, Change>();
  for (const index of fixed) changeOf.set(index, 'fixed');
  for (const index of regressed) changeOf.set(index, 'regressed');
  for (const index of bothWrong) changeOf.set(index, 'both wrong');
  const { exact, midP } = mcnemar(fixed.length, regressed.length);
  return {
    counts: { fixed: fixed.length, regressed: regressed.length, 'both wrong': bothWrong.length },
    changeOf,
    exact,
    midP,
  };
}

/** The errors that the filters let through. @param without a filter that is left out of account */
export function select(digest: Digest, filters: Filters, without?: keyof Filters): readonly ListedError[] {
  const used: Filters = without === undefined ? filters : { ...filters, [without]: undefined };
  const { label, predicted, verdict, layer, change } = used;
  const rows = change === 'regressed' ? digest.secondRows : digest.rows;
  return rows.filter(
    (row) =>
      (label === undefined || row.label === label) &&
      (predicted === undefined || row.predicted === predicted) &&
      (verdict === undefined || row.verdict === verdict) &&
      (layer === undefined || row.layer === layer) &&
      (change === undefined || digest.compared?.changeOf.get(row.index) === change),
  );
}

/** How many errors have each verdict. */
export function countVerdicts(rows: readonly ErrorRow[]): Readonly<Record<Verdict, number>> {
  const counts = { norm: 0, angle: 0, both: 0, neither: 0 };
  for (const { verdict } of rows) counts[verdict]++;
  return counts;
}

export interface Chip {
  readonly filter: keyof Filters;
  readonly text: string;
}

/** The filters in force, in words. */
export function chipsOf(
  { label, predicted, verdict, layer, change }: Filters,
  names: readonly string[],
): Chip[] {
  return [
    ...(label === undefined ? [] : [{ filter: 'label' as const, text: `is ${names[label]}` }]),
    ...(predicted === undefined
      ? []
      : [{ filter: 'predicted' as const, text: `taken for ${names[predicted]}` }]),
    ...(verdict === undefined ? [] : [{ filter: 'verdict' as const, text: `verdict ${verdict}` }]),
    ...(layer === undefined ? [] : [{ filter: 'layer' as const, text: `turns at ${layer}` }]),
    ...(change === undefined ? [] : [{ filter: 'change' as const, text: change }]),
  ];
}

/** Filters that still mean something for a picture: what an earlier window kept may be of another. */
export function validFilters(filters: Filters, { first, second }: Digest): Filters {
  const classes = first.classNames.length;
  const known = (value: number | undefined): number | undefined =>
    value !== undefined && value < classes ? value : undefined;
  return {
    label: known(filters.label),
    predicted: known(filters.predicted),
    verdict:
      filters.verdict !== undefined && verdicts.includes(filters.verdict) ? filters.verdict : undefined,
    layer: filters.layer !== undefined && first.layers.includes(filters.layer) ? filters.layer : undefined,
    change: second ? filters.change : undefined,
  };
}
