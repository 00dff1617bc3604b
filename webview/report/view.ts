import type { LayerInspection } from '../../src/core/statistics/inspection.js';
import type { Report } from '../../src/protocol/report.js';
import { filterTable, heroContent, trail } from '../layer/content.js';
import { LayerEvidence } from '../layer/evidence.js';
import { outputContent } from '../layer/output.js';
import { Chart } from '../shared/chart/chart.js';
import { html } from '../shared/dom.js';
import { block } from '../shared/frame.js';
import { TableView } from '../shared/table.js';
import { overviewTable, reportFacts } from './content.js';
import { errorsAnchor, errorsSection } from './errors.js';
import { download } from './save.js';

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
const anchor = (layer: LayerInspection): string => `layer-${layer.name}`;

function contents({ inspection, errors }: Report): HTMLElement {
  return html(
    'nav',
    { 'aria-label': 'Contents', class: 'report-contents' },
    ...inspection.layers.map((layer) => html('a', { href: `#${anchor(layer)}` }, layer.name)),
    errors && html('a', { href: `#${errorsAnchor}` }, 'Errors'),
    html('a', { href: `#${configAnchor}` }, 'Config'),
  );
}

/** One layer as the layer panel shows it. */
function layerSection({ inspection }: Report, layer: LayerInspection): HTMLElement {
  const chart = new Chart(download);
  const output = new Chart(download);
  const evidence = new LayerEvidence();
  const filters = new TableView({ sortable: true, choose: (filter) => show(filter) });
  const all = Array.from({ length: layer.filters }, (_, filter) => filter);
  const show = (filter: number | undefined): void => {
    const subject = { layer, filter, second: undefined, movedRadius: undefined };
    chart.update(heroContent(inspection, subject, undefined));
    if (layer.patches > 0) output.update(outputContent(inspection, subject, undefined));
    evidence.update(subject);
    filters.update(filterTable(layer, all), filter);
  };
  show(undefined);
  output.element.classList.add('wide');
  output.element.hidden = layer.patches === 0;
  return html(
    'section',
    { id: anchor(layer), class: 'report-layer', 'aria-label': layer.name },
    html('div', { class: 'hero' }, chart.element),
    html('div', { class: 'evidence' }, output.element, ...evidence.parts, block('Filters', filters.element)),
  );
}
