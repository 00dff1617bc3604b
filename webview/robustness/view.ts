import type { RobustnessCheck } from '../../src/core/attack/robustness.js';
import type { RobustnessReport } from '../../src/protocol/robustness.js';
import { download } from '../report/save.js';
import { Chart } from '../shared/chart/chart.js';
import { html } from '../shared/dom.js';
import { block } from '../shared/frame.js';
import { TableView } from '../shared/table.js';
import { accuracyTable, curveContent, headline, lossContent, measurementFacts } from './content.js';

/** The report's page: what attacks do, and whether they can be believed. */
export function robustnessView(report: RobustnessReport): HTMLElement {
  const { measurement, checks } = report;
  const [curves, losses] = [new Chart(download), new Chart(download)];
  curves.update(curveContent(measurement));
  const loss = lossContent(measurement);
  if (loss !== undefined) losses.update(loss);
  const table = new TableView();
  table.update(accuracyTable(measurement));
  const [title, ...sentences] = headline(report);
  return html(
    'main',
    { class: 'report' },
    html(
      'header',
      { class: 'report-head' },
      html('h1', {}, title),
      ...sentences.map((sentence) => html('p', {}, sentence)),
      html(
        'dl',
        { class: 'facts' },
        ...measurementFacts(report).map(([name, value]) =>
          html('div', {}, html('dt', {}, name), html('dd', {}, value)),
        ),
      ),
    ),
    html('section', { 'aria-label': 'Accuracy under attack' }, curves.element),
    html('section', { 'aria-label': 'Accuracies' }, block('Accuracies', table.element)),
    html(
      'section',
      { 'aria-label': 'Can the attacks be believed?' },
      block('Can the attacks be believed?', html('ul', { class: 'checks' }, ...checks.map(checkItem))),
    ),
    loss && html('section', { 'aria-label': 'Loss by step' }, losses.element),
    html(
      'footer',
      { class: 'note' },
      `Pixels under attack are real numbers from 0 to 255, each image within ε to the last bit of float32. Accuracy under an attack bounds accuracy under the worst one from above only. Written by DCNet Inspector ${report.dcnetVersion}.`,
    ),
  );
}

const statusWords: Readonly<Record<RobustnessCheck['status'], string>> = {
  passed: '✓ Holds',
  failed: '✗ Does not hold',
  'not-run': '– Not checked',
};

function checkItem({ status, sentence, meaning }: RobustnessCheck): HTMLElement {
  return html(
    'li',
    { class: status },
    html('span', { class: 'status' }, statusWords[status]),
    ` ${sentence}`,
    meaning === undefined ? undefined : html('p', { class: 'note' }, meaning),
  );
}
