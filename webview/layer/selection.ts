import type { Inspection, Selection } from '../../src/core/statistics/inspection.js';
import { picker } from '../shared/controls.js';
import { html } from '../shared/dom.js';
import { count } from '../shared/format.js';

const everything = '';

/** Which images count: of a class, and those the network is right or wrong about. */
export class SelectionPickers {
  readonly element: HTMLElement;
  private selection: Selection = {};
  private readonly label = picker('class', (value) =>
    this.change({ ...this.selection, label: value === everything ? undefined : Number(value) }),
  );
  private readonly outcome = picker('images', (value) =>
    this.change({ ...this.selection, outcome: value === 'right' || value === 'wrong' ? value : undefined }),
  );

  constructor(private readonly choose: (selection: Selection) => void) {
    this.element = html('div', { class: 'selection' }, this.label.element, this.outcome.element);
  }

  update(inspection: Inspection | undefined): void {
    const { classes = [], selection = {} } = inspection ?? {};
    this.selection = selection;
    const counted =
      selection.label === undefined ? classes : classes.slice(selection.label, selection.label + 1);
    const images = counted.reduce((sum, of) => sum + of.images, 0);
    const right = counted.reduce((sum, of) => sum + of.correct, 0);
    const hidden = inspection === undefined || classes.length === 0;
    this.label.update(
      [
        { value: everything, text: 'all classes' },
        ...classes.map(({ name }, i) => ({ value: String(i), text: name })),
      ],
      selection.label === undefined ? everything : String(selection.label),
      hidden,
    );
    this.outcome.update(
      [
        { value: everything, text: `all ${count(images)}` },
        { value: 'right', text: `right ${count(right)}` },
        { value: 'wrong', text: `wrong ${count(images - right)}` },
      ],
      selection.outcome ?? everything,
      hidden,
    );
  }

  /** What is picked next starts from here, also before the host has answered. */
  private change(selection: Selection): void {
    this.selection = selection;
    this.choose(selection);
  }
}
