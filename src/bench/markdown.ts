import type { Spread } from './measure.js';
import type { Figure } from './parts.js';

/** Figures as a table: what was measured in the rows, what it was measured on in the columns. */
export function markdownTable(figures: readonly Figure[]): string {
  const columns = [...new Set(figures.map(({ on }) => on))];
  const rows = new Map<string, Map<string, Figure>>();
  for (const figure of figures) {
    const name = `${figure.what.join(' · ')}, ${figure.unit}`;
    const row = rows.get(name) ?? new Map<string, Figure>();
    rows.set(name, row.set(figure.on, figure));
  }
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(['', ...columns]),
    line(['---', ...columns.map(() => '---:')]),
    ...[...rows].map(([name, row]) => line([name, ...columns.map((column) => cell(row.get(column)?.value))])),
  ].join('\n');
}

function cell(value: Spread | undefined): string {
  if (value === undefined) return '';
  const { median, lowest, highest, rounds } = value;
  return rounds === 1 ? digits(median) : `${digits(median)} (${digits(lowest)}–${digits(highest)})`;
}

/** A figure in a line of text. */
export function figureLine({ what, on, value, unit }: Figure): string {
  const { median, lowest, highest } = value;
  return `${[...what, on].join(' · ').padEnd(80)} ${digits(median).padStart(8)} ${unit}  (${digits(lowest)} to ${digits(highest)})`;
}

/** Three significant digits. */
export function digits(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 });
}
