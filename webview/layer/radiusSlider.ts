import { button } from '../shared/controls.js';
import { html, setAttributes, setText } from '../shared/dom.js';
import { inColumn } from '../shared/format.js';
import type { HeroSubject } from './hero.js';
import { heroLayout } from './layout.js';
import { readOperator } from './operator.js';

/** Half the width of the platform's handle: its middle stands over the axis. */
const halfHandle = 8;
const steps = 200;

/** The radius as a handle under the axis of ‖x‖: drag it, or move it with the arrow keys. */
export class RadiusSlider {
  readonly element: HTMLElement;
  private readonly range = html('input', { type: 'range', min: 0, max: steps, step: 1 });
  private readonly words = html('output', {});
  private readonly back: ReturnType<typeof button>;
  private readonly track = html('div', { class: 'radius-track' }, this.range);
  private subject: HeroSubject | undefined;
  private width = 0;

  /** @param move the radius was moved; undefined: put back */
  constructor(private readonly move: (radius: number | undefined) => void) {
    this.back = button({ label: 'Put back', appearance: 'icon', hidden: true }, () => {
      this.move(undefined);
      this.range.focus();
    });
    this.element = html(
      'div',
      { class: 'radius-slider', hidden: true },
      this.track,
      html('div', { class: 'moved-words' }, this.words, this.back.element),
    );
    this.range.addEventListener('input', () => {
      const [low, high] = this.domain();
      this.move(low + ((high - low) * Number(this.range.value)) / steps);
    });
    new ResizeObserver(() => {
      this.width = Math.floor(this.element.clientWidth);
      this.place();
    }).observe(this.element);
  }

  update(subject: HeroSubject): void {
    this.subject = subject;
    const { layer, filter, movedRadius } = subject;
    const { radius } = readOperator(layer, filter);
    this.element.hidden = radius === undefined || layer.patches === 0;
    if (radius === undefined) return;
    const [low, high] = this.domain();
    this.range.value = String(Math.round((((movedRadius ?? radius) - low) / (high - low)) * steps));
    const now = `R = ${inColumn(radius)}`;
    const text =
      movedRadius === undefined
        ? `${now}; drag the handle to see what another radius would make of the output`
        : `${now}, moved to ${inColumn(movedRadius)}`;
    setText(this.words, text);
    setAttributes(this.range, { 'aria-label': 'Radius', 'aria-valuetext': inColumn(movedRadius ?? radius) });
    this.back.update({
      label: 'Put back',
      icon: 'discard',
      appearance: 'icon',
      description: 'Put back: the radius where it is',
      hidden: movedRadius === undefined,
    });
    this.place();
  }

  /** Where the handle goes: along the drawn axis, and never to 0. */
  private domain(): readonly [number, number] {
    const { layer, filter, second } = this.subject!;
    const [low, high] = heroLayout(layer, readOperator(layer, filter), 600, second).norm.domain;
    return [Math.max(low, high / 100), high];
  }

  /** Under the axis, however wide the picture is. */
  private place(): void {
    const { subject, width } = this;
    if (!subject || width === 0) return;
    const { layer, filter, second } = subject;
    const { norm } = heroLayout(layer, readOperator(layer, filter), width, second);
    const [from, to] = this.domain();
    this.track.style.marginLeft = `${norm(from) - halfHandle}px`;
    this.track.style.width = `${norm(to) - norm(from) + 2 * halfHandle}px`;
  }
}
