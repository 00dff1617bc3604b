import type { LayerInspection } from '../../src/core/statistics/inspection.js';
import { drawMarks } from '../shared/chart/draw.js';
import { html, setText, svg } from '../shared/dom.js';
import { percent } from '../shared/format.js';
import { block } from '../shared/frame.js';
import { TableView } from '../shared/table.js';
import { countFacts, filterTable, statisticsTable } from './content.js';
import { describeRadius, measuredRegimes, readOperator } from './operator.js';
import { regimeBar } from './row.js';

const barWidth = 320;
const barHeight = 14;

/** The numbers behind the hero: operator and radius, regimes and counts, statistics, filters. */
export class LayerEvidence {
  readonly parts: readonly HTMLElement[];
  private readonly formulas = html('p', { class: 'formulas' });
  private readonly radius = html('p', { class: 'radius-words' });
  private readonly bar = svg('svg', {
    class: 'regime-bar wide',
    viewBox: `0 0 ${barWidth} ${barHeight}`,
    preserveAspectRatio: 'none',
    'aria-hidden': 'true',
  });
  private readonly below = html('span', { class: 'regime-below' });
  private readonly beyond = html('span', { class: 'regime-beyond' });
  private readonly shares = html('p', { class: 'regime-shares' }, this.below, this.beyond);
  private readonly facts = html('dl', { class: 'facts' });
  private readonly statistics = new TableView();
  private readonly filters: TableView;

  /** @param chooseFilter the user chose a filter, or took the choice back */
  constructor(chooseFilter: (filter: number | undefined) => void) {
    this.filters = new TableView({ sortable: true, choose: chooseFilter });
    this.parts = [
      html(
        'div',
        { class: 'column' },
        block('Operator', this.formulas, this.radius, this.bar, this.shares, this.facts),
        block('Statistics', this.statistics.element),
      ),
      block('Filters', this.filters.element),
    ];
  }

  update(layer: LayerInspection, filter: number | undefined): void {
    const operator = readOperator(layer);
    const curves = `${operator.magnitudeFormula}; ${operator.angularFormula}`;
    setText(
      this.formulas,
      layer.operator === 'inner-product' ? operator.name : `${operator.name}: ${curves}`,
    );
    setText(this.radius, describeRadius(layer) ?? 'This operator has no radius, so there are no regimes.');
    const regimes = measuredRegimes(layer);
    this.bar.toggleAttribute('hidden', regimes.length === 0);
    this.shares.hidden = regimes.length === 0;
    if (regimes.length > 0) drawMarks(this.bar, regimeBar(layer, barWidth, barHeight));
    for (const { name, share } of regimes) {
      setText(name === 'below the radius' ? this.below : this.beyond, `${percent(share)} ${name}`);
    }
    this.facts.replaceChildren(
      ...countFacts(layer).map(([name, value]) =>
        html('div', {}, html('dt', {}, name), html('dd', {}, value)),
      ),
    );
    this.statistics.update(statisticsTable(layer));
    this.filters.update(filterTable(layer), filter);
  }
}
