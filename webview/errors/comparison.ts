import { type ButtonControl, button } from '../shared/controls.js';
import { html, setText } from '../shared/dom.js';
import { checkpointName, count, percent, short } from '../shared/format.js';
import type { Change, Digest, Filters } from './selection.js';

const changes: readonly Change[] = ['fixed', 'regressed', 'both wrong'];

const meanings: Readonly<Record<Change, string>> = {
  fixed: 'wrong in A, right in B',
  regressed: 'right in A, wrong in B',
  'both wrong': 'wrong in both',
};

/** What the second checkpoint does better and worse, and whether that is more than chance. */
export class ComparisonView {
  readonly element: HTMLElement;
  private readonly sentence = html('p');
  private readonly buttons: ReadonlyMap<Change, ButtonControl>;
  private chosen: Change | undefined;

  constructor(choose: (change: Change | undefined) => void) {
    this.buttons = new Map(
      changes.map((change) => [
        change,
        button({ label: change }, () => choose(this.chosen === change ? undefined : change)),
      ]),
    );
    this.element = html(
      'div',
      { class: 'comparison', hidden: true },
      this.sentence,
      html(
        'div',
        { class: 'toolbar', role: 'group', 'aria-label': 'Changes' },
        ...[...this.buttons.values()].map(({ element }) => element),
      ),
    );
  }

  update({ first, second, compared }: Digest, { change }: Filters): void {
    this.chosen = change;
    this.element.hidden = compared === undefined;
    if (!second || !compared) return;
    const { fixed, regressed } = compared.counts;
    const p = compared.midP < 0.001 ? '< 0.001' : `= ${short(compared.midP)}`;
    const verdict = compared.midP < 0.05 ? 'more than chance' : 'no more than chance may do';
    setText(
      this.sentence,
      `A is ${checkpointName(first.checkpoint)} (${percent(first.accuracy)}), B is ${second.run === first.run ? '' : `${second.run} `}${checkpointName(second.checkpoint)} (${percent(second.accuracy)}). B fixes ${count(fixed)} and regresses on ${count(regressed)}: McNemar’s mid-p ${p} (exact ${short(compared.exact)}), ${verdict}.`,
    );
    for (const [name, control] of this.buttons)
      control.update({
        label: `${name} ${count(compared.counts[name])}`,
        appearance: 'icon',
        pressed: change === name,
        description: `${name} ${count(compared.counts[name])}: ${meanings[name]}`,
      });
  }
}
