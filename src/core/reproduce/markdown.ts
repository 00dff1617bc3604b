import type { CellValues, Experiment, PaperValue } from './experiment.js';
import { type CellResult, type Spread, spreadOf, valuesOf } from './results.js';

/** A run as the report lists it. */
export interface ReportedRun {
  readonly name: string;
  readonly status: string;
  readonly steps: number | undefined;
  readonly seconds: number | undefined;
  readonly backend: string | undefined;
}

/** A picture beside the report, and the numbers that say the same. */
export interface ReportedPicture {
  readonly file: string;
  readonly alternative: string;
}

export interface ReportContent {
  readonly experiment: Experiment;
  readonly results: readonly CellResult[];
  readonly runs: readonly ReportedRun[];
  readonly seeds: readonly number[];
  /** Name and SHA-256 of the data, where something was trained. */
  readonly data: string | undefined;
  readonly machine: string;
  readonly version: string;
  readonly date: string;
  readonly pictures: readonly ReportedPicture[];
  /** A table of what the pictures show; the first row is its head. */
  readonly pictured: readonly (readonly string[])[];
  /** The numbers of that table, for the claims. */
  readonly picturedValues: CellValues;
  /** What is wrong with the numbers, beside the paper: cells that failed, attacks whose checks failed. */
  readonly warnings: readonly string[];
  /** Whether it was stopped before all was run. */
  readonly interrupted: boolean;
}

/** The report of an experiment as Markdown: our numbers beside the paper's, the claims, and every deviation. */
export function reportMarkdown(content: ReportContent): string {
  const { experiment, runs, pictures, pictured } = content;
  const sections = [
    `# Decoupled Networks, ${experiment.title}`,
    facts(content),
    content.interrupted
      ? '**Stopped before the end.** What is missing is marked “not run”; the same command goes on.'
      : '',
    experiment.cells.length === 0 ? '' : results(content),
    ...pictures.map(({ file, alternative }) => `![${alternative}](${file})`),
    pictured.length === 0 ? '' : table(pictured),
    list('Warnings', content.warnings),
    claims(content),
    list('How it was run', experiment.setting),
    list('Where this differs from the paper', experiment.deviations),
    runs.length === 0 ? '' : runTable(runs),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function facts({ experiment, seeds, data, machine, version, date }: ReportContent): string {
  const trained = experiment.runs.length > 0;
  return [
    `Scale: ${experiment.scale}.`,
    trained ? ` ${seeds.length === 1 ? `One seed (${seeds[0]})` : `Seeds ${seeds.join(', ')}`}.` : '',
    data === undefined ? '' : ` Data: ${data}.`,
    ` Made on ${date} with DCNet Inspector ${version} on ${machine}.`,
  ].join('');
}

function results({ experiment, results: all, seeds }: ReportContent): string {
  const cellOf = (row: string, column: string): string => {
    const result = all.find(({ cell }) => cell.row === row && cell.column === column);
    const paper = experiment.cells.find((cell) => cell.row === row && cell.column === column)?.paper;
    return result === undefined && paper === undefined
      ? '–'
      : resultText(spreadOf(result?.values ?? []), paper);
  };
  const rows = experiment.rows.map((row) => [
    row,
    ...experiment.columns.map((column) => cellOf(row, column)),
  ]);
  const spread =
    seeds.length > 1
      ? ' ± is the standard deviation over the seeds.'
      : ' One seed says nothing of the spread; --seeds 3 measures it.';
  const other =
    experiment.scale === 'small'
      ? ' Data and network are not the paper’s, so the difference measures no agreement; the order of the numbers can be compared.'
      : '';
  const paper = experiment.cells.some((cell) => cell.paper !== undefined)
    ? ' In brackets the paper’s number and the difference (ours − paper); n/c: did not converge (here: diverged, or ended below twice the accuracy of guessing, in however few steps it had).'
    : '';
  return `## Results\n\n${capital(experiment.unit)}.${paper}${other}${spread}\n\n${table([['', ...experiment.columns], ...rows])}`;
}

function resultText(spread: Spread | undefined, paper: PaperValue | undefined): string {
  const printed = paper === undefined ? '' : `paper ${shown(paper)}`;
  if (spread === undefined) return printed === '' ? 'not run' : `not run (${printed})`;
  const { mean, deviation, notConverged, failed, seeds } = spread;
  if (mean === undefined) return printed === '' ? '**failed**' : `**failed** (${printed})`;
  const ours =
    `**${shown(mean)}**` +
    (deviation === undefined ? '' : ` ± ${deviation.toFixed(2)}`) +
    (notConverged > 0 && mean !== 'n/c' ? `, ${notConverged} of ${seeds} n/c` : '') +
    (failed > 0 ? `, ${failed} of ${seeds} failed` : '');
  const difference =
    typeof mean === 'number' && typeof paper === 'number'
      ? `, ${mean >= paper ? '+' : '−'}${Math.abs(mean - paper).toFixed(2)}`
      : '';
  return printed === '' ? ours : `${ours} (${printed}${difference})`;
}

function claims({ experiment, results: all, seeds, picturedValues }: ReportContent): string {
  if (experiment.claims.length === 0) return '';
  const values = valuesOf(all);
  const lines = experiment.claims.map(({ text, judge }) => {
    const judged = judge((row, column) => values(row, column) ?? picturedValues(row, column));
    if (judged === undefined) return `- **Open.** ${text} Not all of its cells have a number.`;
    return `- **${judged.holds ? 'Holds here.' : 'Does not hold here.'}** ${text} Here: ${judged.evidence}.`;
  });
  const caution =
    seeds.length === 1
      ? 'Judged on one seed each: what is as small as the difference between two seeds may be chance.'
      : 'Judged on the means over the seeds.';
  return `## What the paper’s numbers say, and these\n\n${caution}\n\n${lines.join('\n')}`;
}

function runTable(runs: readonly ReportedRun[]): string {
  const rows = runs.map(({ name, status, steps, seconds, backend }) => [
    `\`runs/${name}\``,
    status,
    steps?.toLocaleString('en') ?? '–',
    seconds === undefined ? '–' : seconds.toFixed(0),
    backend ?? '–',
  ]);
  return `## Runs\n\n${table([['run', 'status', 'steps', 'seconds of training', 'backend'], ...rows])}`;
}

function list(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `## ${title}\n\n${lines.map((line) => `- ${line}`).join('\n')}`;
}

function table([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

function shown(value: PaperValue): string {
  return value === 'n/c' ? value : value.toFixed(2);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
