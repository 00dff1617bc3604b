import type { ErrorAnalysis } from '../../src/core/verdict/analysis.js';
import { baseName, checkpointName, count, percent } from '../shared/format.js';

/** The header's trail: run ▸ checkpoint ▸ split · n · backend · accuracy. */
export function trail(analysis: ErrorAnalysis): readonly string[] {
  const { run, data, checkpoint, split, sampleSize, backend, accuracy, errors } = analysis;
  return [
    run === undefined ? data : baseName(run),
    checkpointName(checkpoint),
    `${split} split · n = ${count(sampleSize)} · ${backend} · accuracy ${percent(accuracy)} · ${count(errors.index.length)} errors`,
  ];
}

/** Where a chart's numbers come from. */
export function sourceOf(analysis: ErrorAnalysis, second?: ErrorAnalysis): string {
  const one = ({ run, data, checkpoint }: ErrorAnalysis): string =>
    [run === undefined ? data : baseName(run), checkpointName(checkpoint)].join(' › ');
  const where = second ? `A: ${one(analysis)}, B: ${one(second)}` : one(analysis);
  return `${where} › ${analysis.split} split, n = ${count(analysis.sampleSize)}`;
}
