import { type Verdict, verdicts } from '../../src/core/verdict/verdict.js';
import { type ButtonControl, button, picker } from '../shared/controls.js';
import { html, icon, setText } from '../shared/dom.js';
import { count } from '../shared/format.js';
import { type Chip, chipsOf, countVerdicts, type Digest, type Filters, select } from './selection.js';

const anyLayer = '';

/** What narrows the list down: chips that can be removed, verdicts with their counts, the layer where it turns. */
export class NarrowingView {
  readonly element: HTMLElement;
  private readonly count = html('p', { class: 'list-count', role: 'status' });
  private readonly chips = html('div', { class: 'chips', role: 'group', 'aria-label': 'Filters' });
  private readonly verdicts: ReadonlyMap<Verdict, ButtonControl>;
  private readonly layer = picker('Turns at', (value) =>
    this.change({ layer: value === anyLayer ? undefined : value }),
  );
  private filters: Filters = {};
  private shownChips = '';

  constructor(private readonly onChange: (filters: Filters) => void) {
    this.verdicts = new Map(
      verdicts.map((verdict) => [
        verdict,
        button({ label: verdict }, () =>
          this.change({ verdict: this.filters.verdict === verdict ? undefined : verdict }),
        ),
      ]),
    );
    this.element = html(
      'div',
      { class: 'narrowing' },
      this.count,
      this.chips,
      html(
        'div',
        { class: 'verdict-filters', role: 'group', 'aria-label': 'Verdicts' },
        ...[...this.verdicts.values()].map(({ element }) => element),
      ),
      this.layer.element,
    );
  }

  update(digest: Digest, filters: Filters): void {
    this.filters = filters;
    const shown = select(digest, filters);
    const all = filters.change === 'regressed' ? digest.secondRows : digest.rows;
    setText(
      this.count,
      shown.length === all.length
        ? `${count(all.length)} errors`
        : `${count(shown.length)} of ${count(all.length)} errors`,
    );
    const counts = countVerdicts(select(digest, filters, 'verdict'));
    for (const [verdict, control] of this.verdicts)
      control.update({
        label: `${verdict} ${count(counts[verdict])}`,
        appearance: 'icon',
        pressed: filters.verdict === verdict,
        description: `${verdict} ${count(counts[verdict])}: show this verdict only`,
      });
    const layers = digest.first.layers;
    this.layer.update(
      [{ value: anyLayer, text: 'any layer' }, ...layers.map((name) => ({ value: name, text: name }))],
      filters.layer ?? anyLayer,
    );
    this.drawChips(chipsOf(filters, digest.first.classNames));
  }

  private drawChips(chips: readonly Chip[]): void {
    const key = JSON.stringify(chips);
    if (key === this.shownChips) return;
    this.shownChips = key;
    const hadFocus = this.chips.contains(document.activeElement);
    this.chips.hidden = chips.length === 0;
    this.chips.replaceChildren(
      ...chips.map(({ filter, text }) => {
        const chip = html(
          'button',
          { type: 'button', class: 'chip', 'aria-label': `Remove the filter: ${text}`, title: 'Remove' },
          text,
          icon('close'),
        );
        chip.addEventListener('click', () => this.change({ [filter]: undefined }));
        return chip;
      }),
    );
    // The chip that was pressed is gone: the next one, or what comes after the chips, has the focus.
    if (hadFocus) (this.chips.querySelector('button') ?? this.verdicts.get('norm')?.element)?.focus();
  }

  private change(part: Partial<Filters>): void {
    this.onChange({ ...this.filters, ...part });
  }
}
