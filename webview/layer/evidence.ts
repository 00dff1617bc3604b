import { drawMarks } from '../shared/chart/draw.js';
import { html, setText, svg } from '../shared/dom.js';
import { percent } from '../shared/format.js';
import { block } from '../shared/frame.js';
import { TableView } from '../shared/table.js';
import { countFacts, statisticsTable } from './content.js';
import type { HeroSubject } from './hero.js';
import { describeRadius, measuredRegimes, readOperator, regimeNames } from './operator.js';
import { varianceWords } from './output.js';
import { regimeBar } from './row.js';

const barWidth = 320;
const barHeight = 14;

/** The numbers behind the hero: operator and radius, regimes and counts, statistics. */
export class LayerEvidence {
  readonly parts: readonly HTMLElement[];
  private readonly formulas = html('p', { class: 'formulas' });
  private readonly radius = html('p', { class: 'note radius-words' });
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
  private readonly variance = html('p', { class: 'variance-words' });
  private readonly statistics = new TableView();

  constructor() {
    this.parts = [
      block('Operator', this.formulas, this.radius, this.bar, this.shares, this.variance, this.facts),
      block('Statistics', this.statistics.element),
    ];
  }

  update(subject: HeroSubject): void {
    const { layer, second } = subject;
    setText(this.variance, varianceWords(subject));
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
      const isBelow = name === 'below the radius';
      setText(isBelow ? this.below : this.beyond, `${percent(share)} ${regimeNames(layer)[isBelow ? 0 : 1]}`);
    }
    this.facts.replaceChildren(
      ...countFacts(layer).map(([name, value]) =>
        html('div', {}, html('dt', {}, name), html('dd', {}, value)),
      ),
    );
    this.statistics.update(statisticsTable(layer, second));
  }
}
