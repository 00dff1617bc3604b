import type { ErrorDetails } from '../../src/core/errors.js';
import { asDcnetError } from '../../src/core/errors.js';
import { type ButtonLook, button } from './controls.js';
import { html, icon, setText } from './dom.js';

/** Where an error points to: `tiny.dcnet.json:12:7 · layers[2].kernel`. */
function place(error: ErrorDetails): string {
  const position = [error.file, error.line, error.column].filter((part) => part !== undefined).join(':');
  return [position, error.field].filter((part) => part).join(' · ');
}

/** Says what went wrong, where, and what to do; the panel around it goes on working. */
export class ErrorBlock {
  readonly element: HTMLElement;
  private readonly message = html('p', { class: 'error-message' });
  private readonly remedy = html('p', { class: 'error-remedy' });
  private readonly place = html('p', { class: 'error-place' });
  private readonly action = button({ label: 'Try again', hidden: true }, () => this.act?.());
  private act: (() => void) | undefined;

  constructor() {
    this.element = html(
      'div',
      { class: 'error-block', role: 'alert', hidden: true },
      icon('error'),
      html('div', { class: 'error-words' }, this.message, this.remedy, this.place),
      this.action.element,
    );
  }

  show(error: ErrorDetails, action?: { readonly look: ButtonLook; readonly act: () => void }): void {
    setText(this.message, error.message);
    setText(this.remedy, error.remedy);
    setText(this.place, place(error));
    this.place.hidden = place(error) === '';
    this.act = action?.act;
    this.action.update(action ? action.look : { label: 'Try again', hidden: true });
    this.element.hidden = false;
  }

  showThrown(thrown: unknown): void {
    this.show(asDcnetError(thrown).details, {
      look: { label: 'Dismiss', icon: 'close', iconOnly: true, appearance: 'icon' },
      act: () => this.hide(),
    });
  }

  hide(): void {
    this.element.hidden = true;
  }
}

/** Teaches in one sentence and one button. */
export class EmptyState {
  readonly element: HTMLElement;
  private readonly sentence = html('p');
  private readonly action = button({ label: '', hidden: true }, () => this.act?.());
  private act: (() => void) | undefined;

  constructor() {
    this.element = html('div', { class: 'empty-state', hidden: true }, this.sentence, this.action.element);
  }

  show(sentence: string, action?: { readonly label: string; readonly act: () => void }): void {
    setText(this.sentence, sentence);
    this.act = action?.act;
    this.action.update(
      action ? { label: action.label, appearance: 'primary' } : { label: 'Nothing to do', hidden: true },
    );
    this.element.hidden = false;
  }

  hide(): void {
    this.element.hidden = true;
  }
}

/** A thin bar with a count and a cancel button. */
export class ProgressBlock {
  readonly element: HTMLElement;
  private readonly bar = html('progress', { max: 1 });
  private readonly activity = html('span', { class: 'progress-activity' });
  private readonly count = html('span', { class: 'progress-count' });

  /** @param cancel stops the work; left out where other buttons do */
  constructor(cancel?: () => void) {
    const stop = cancel ? button({ label: 'Cancel' }, cancel) : undefined;
    this.element = html(
      'div',
      { class: 'progress-block', hidden: true },
      this.bar,
      html('div', { class: 'progress-words' }, this.activity, this.count, stop?.element),
    );
  }

  /** @param done undefined where the amount of work is not known */
  show(activity: string, count: string, done: number | undefined, total: number): void {
    setText(this.activity, activity);
    setText(this.count, count);
    this.bar.setAttribute('aria-label', activity);
    if (done === undefined || total <= 0) this.bar.removeAttribute('value');
    else this.bar.value = Math.min(1, done / total);
    this.element.hidden = false;
  }

  hide(): void {
    this.element.hidden = true;
  }
}
