import path from 'node:path';
import { checkpointExtension } from '../../core/run/run.js';
import type { Inspection } from '../../core/statistics/inspection.js';

/** Three significant digits. */
export function short(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 });
}

/** Where numbers come from: `fashion-001, epoch-0006, test split, n = 1,000`. */
export function measuredWhere({ run, checkpoint, split, sampleSize }: Inspection): string {
  const parts = [
    run === undefined ? undefined : path.basename(run),
    path.basename(checkpoint, checkpointExtension),
    `${split} split`,
    `n = ${sampleSize.toLocaleString('en')}`,
  ];
  return parts.filter((part) => part !== undefined).join(', ');
}
