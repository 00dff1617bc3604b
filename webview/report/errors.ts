import type { ErrorAnalysis } from '../../src/core/verdict/analysis.js';
import { confusionMatrix, errorRows } from '../../src/core/verdict/confusion.js';
import { verdictDefinition, verdicts } from '../../src/core/verdict/verdict.js';
import { html } from '../shared/dom.js';
import { count, percent } from '../shared/format.js';
import { block } from '../shared/frame.js';
import { type Cell, type DataTable, TableView } from '../shared/table.js';

/** Id of the section, for links. */
export const errorsAnchor = 'errors';
/** Confusions that are told one by one. */
const mostConfusions = 20;

const word = (text: string): Cell => ({ text, value: text });
const whole = (value: number): Cell => ({ text: count(value), value });
const share = (part: number, total: number): Cell =>
  total === 0 ? word('–') : { text: percent(part / total), value: part / total };
/** Norm and angle have their hues; what is both or neither has none. */
const verdictColumns = verdicts.map((verdict) =>
  verdict === 'norm' || verdict === 'angle' ? { label: verdict, hue: verdict } : { label: verdict },
);

/** The errors of the checkpoint: what they are blamed on, and what is taken for what. */
export function errorsSection(analysis: ErrorAnalysis): HTMLElement {
  const rows = errorRows(analysis);
  const { run, sampleSize, split, data } = analysis;
  const source = `${count(rows.length)} of ${count(sampleSize)} images wrong · ${[run, data].filter(Boolean).join(', ')}, ${split} split`;
  return html(
    'section',
    { id: errorsAnchor, class: 'report-errors', 'aria-label': 'Errors' },
    html('div', { class: 'block' }, html('h2', {}, 'Errors'), html('p', { class: 'note' }, source)),
    html(
      'div',
      { class: 'evidence' },
      block('What they are blamed on', tableOf(verdictTable(analysis))),
      block('What is taken for what', tableOf(confusionTable(analysis))),
      block('Classes', tableOf(classTable(analysis))),
    ),
    html(
      'details',
      {},
      html('summary', {}, 'How a verdict is found'),
      ...verdictDefinition.map((sentence) => html('p', {}, sentence)),
    ),
  );
}

function tableOf(table: DataTable): HTMLElement {
  const view = new TableView({ sortable: true });
  view.update(table);
  return view.element;
}

/** A row for each layer at which errors turn. */
function verdictTable(analysis: ErrorAnalysis): DataTable {
  const rows = errorRows(analysis);
  const counts = (layer: string | undefined): Cell[] =>
    verdicts.map((verdict) =>
      whole(rows.filter((row) => row.layer === layer && row.verdict === verdict).length),
    );
  const turning = analysis.layers.filter((name) => rows.some(({ layer }) => layer === name));
  const nowhere = rows.some(({ layer }) => layer === undefined);
  return {
    caption: 'Errors by verdict and by the layer where it turns',
    columns: [{ label: 'turns at' }, ...verdictColumns],
    rows: [
      ...turning.map((name) => [word(name), ...counts(name)]),
      ...(nowhere ? [[word('no layer'), ...counts(undefined)]] : []),
      [
        word('all'),
        ...verdicts.map((verdict) => whole(rows.filter((row) => row.verdict === verdict).length)),
      ],
    ],
  };
}

function confusionTable(analysis: ErrorAnalysis): DataTable {
  const { labels, predicted, classNames } = analysis;
  const errors = errorRows(analysis);
  const matrix = confusionMatrix(labels, predicted, classNames.length);
  const cells = matrix
    .flatMap((row, label) => row.map((images, taken) => ({ label, taken, images })))
    .filter(({ label, taken, images }) => label !== taken && images > 0)
    .sort((a, b) => b.images - a.images);
  const shown = cells.slice(0, mostConfusions);
  const rest = cells.length - shown.length;
  return {
    caption: `Confusions, most frequent first${rest > 0 ? `; ${count(rest)} rarer ones are left out` : ''}`,
    columns: [
      { label: 'class' },
      { label: 'taken for', words: true },
      { label: 'images' },
      { label: 'of the class' },
      ...verdictColumns,
    ],
    rows: shown.map(({ label, taken, images }) => {
      const own = errors.filter((error) => error.label === label && error.predicted === taken);
      const total = matrix[label]!.reduce((sum, value) => sum + value, 0);
      return [
        word(classNames[label]!),
        word(classNames[taken]!),
        whole(images),
        share(images, total),
        ...verdicts.map((verdict) => whole(own.filter((error) => error.verdict === verdict).length)),
      ];
    }),
  };
}

function classTable({ labels, predicted, classNames }: ErrorAnalysis): DataTable {
  const matrix = confusionMatrix(labels, predicted, classNames.length);
  return {
    caption: 'Classes: images, and how many the network gets right',
    columns: [{ label: 'class' }, { label: 'images' }, { label: 'right' }, { label: 'share' }],
    rows: classNames.map((name, label) => {
      const row = matrix[label]!;
      const total = row.reduce((sum, value) => sum + value, 0);
      return [word(name), whole(total), whole(row[label]!), share(row[label]!, total)];
    }),
  };
}
