import type { Report } from '../../src/protocol/report.js';
import { trail } from '../layer/content.js';
import { html } from '../shared/dom.js';
import { block } from '../shared/frame.js';
import { TableView } from '../shared/table.js';
import { overviewTable, reportFacts } from './content.js';
import { errorsAnchor, errorsSection } from './errors.js';
import { layerAnchor, layerSection } from './layer.js';

/** The report's page: what was measured, each layer, and the config. */
export function reportView(report: Report): HTMLElement {
  const { inspection } = report;
  const overview = new TableView({ sortable: true });
  overview.update(overviewTable(report));
  const [run, checkpoint, measured] = trail(inspection);
  return html(
    'main',
    { class: 'report' },
    html(
      'header',
      { class: 'report-head' },
      html('h1', {}, `${run} › ${checkpoint}`),
      html('p', { class: 'note' }, `What each layer does to its data: ${measured}`),
      facts(report),
    ),
    contents(report),
    html('section', { 'aria-label': 'All layers' }, block('All layers', overview.element)),
    ...inspection.layers.map((layer) => layerSection(report, layer)),
    report.errors && errorsSection(report.errors),
    html(
      'section',
      { id: configAnchor, class: 'report-config', 'aria-label': 'Config' },
      block('Config', html('pre', { tabindex: 0 }, report.configText)),
    ),
    html(
      'footer',
      { class: 'note' },
      `Norms and angles are measured without ε; patches under the floor are left out and counted. h and g as in Decoupled Networks (CVPR 2018), sections 3.3 and 3.4. Written by DCNet Inspector ${report.dcnetVersion}.`,
    ),
  );
}

function facts(report: Report): HTMLElement {
  return html(
    'dl',
    { class: 'facts' },
    ...reportFacts(report).map(([name, value]) =>
      html('div', {}, html('dt', {}, name), html('dd', {}, value)),
    ),
  );
}

const configAnchor = 'config';

function contents({ inspection, errors }: Report): HTMLElement {
  return html(
    'nav',
    { 'aria-label': 'Contents', class: 'report-contents' },
    ...inspection.layers.map((layer) => html('a', { href: `#${layerAnchor(layer)}` }, layer.name)),
    errors && html('a', { href: `#${errorsAnchor}` }, 'Errors'),
    html('a', { href: `#${configAnchor}` }, 'Config'),
  );
}
