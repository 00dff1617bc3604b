import type { CellValues } from './experiment.js';
import type { FeatureSpread } from './features.js';
import { spreadColumns } from './figures.js';
import { spreadOf } from './results.js';

/** The spread of a trained network's features: figure 1. */
export interface MeasuredFeatures {
  readonly row: string;
  readonly seed: number;
  readonly spread: FeatureSpread;
}

/** The numbers of figure 1: those of each seed and, where a row has several, mean ± standard deviation. Head first. */
export function featureTable(measured: readonly MeasuredFeatures[]): readonly (readonly string[])[] {
  const seeds = new Set(measured.map(({ seed }) => seed));
  const several = seeds.size > 1;
  const rows = [...new Set(measured.map(({ row }) => row))];
  const columns = spreadColumns.map(([, column]) => column);
  return [
    [several ? '' : `seed ${[...seeds].join()}`, ...columns],
    ...rows.flatMap((row) => {
      const own = measured.filter((each) => each.row === row);
      const single = own.map(({ seed, spread }) => [
        several ? `${row}, seed ${seed}` : row,
        ...spreadColumns.map(([measure, , decimals]) => spread[measure].toFixed(decimals)),
      ]);
      return own.length < 2 ? single : [...single, [`${row}, mean ± deviation`, ...meansOf(own)]];
    }),
  ];
}

function meansOf(own: readonly MeasuredFeatures[]): readonly string[] {
  return spreadColumns.map(([measure, , decimals]) => {
    const { mean, deviation } = spreadOver(own, measure)!;
    return `${(mean as number).toFixed(decimals)} ± ${deviation!.toFixed(decimals)}`;
  });
}

function spreadOver(own: readonly MeasuredFeatures[], measure: keyof FeatureSpread) {
  return spreadOf(own.map(({ seed, spread }) => ({ seed, value: spread[measure] })));
}

/** The means over the seeds, for the claims. */
export function featureValues(measured: readonly MeasuredFeatures[]): CellValues {
  return (row, column) => {
    const measure = spreadColumns.find(([, name]) => name === column)?.[0];
    return (
      measure &&
      spreadOver(
        measured.filter((each) => each.row === row),
        measure,
      )?.mean
    );
  };
}
