import type { ErrorAnalysis } from './analysis.js';
import type { ErrorRow } from './confusion.js';

/** Quoted where it has to be (RFC 4180); a text that a spreadsheet would take for a formula is kept a text. */
function field(value: string | number | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Errors as CSV (RFC 4180): a line of names, then one line an error, each with its run, checkpoint and split. */
export function errorsCsv(analysis: ErrorAnalysis, rows: readonly ErrorRow[]): string {
  const { run, checkpoint, split, classNames } = analysis;
  const file = checkpoint.split(/[\\/]/).at(-1);
  const header = [
    'run',
    'checkpoint',
    'split',
    'image',
    'true class',
    'predicted class',
    'verdict',
    'layer',
    'angular margin (degrees)',
    'feature norm',
    'norm percentile of class',
    'angular visual hardness',
  ];
  const lines = rows.map((row) => [
    run,
    file,
    split,
    row.index,
    classNames[row.label],
    classNames[row.predicted],
    row.verdict,
    row.layer,
    row.marginDegrees,
    row.featureNorm,
    row.normPercentile,
    row.hardness,
  ]);
  return [header, ...lines].map((line) => `${line.map(field).join(',')}\r\n`).join('');
}
