import { installPatterns } from './chart/draw.js';
import { type Child, html, icon } from './dom.js';

/** The parts that every panel has, in the same places. */
export interface Frame {
  /** Header, right side: buttons. */
  readonly actions: HTMLElement;
  /** Under the header: progress, errors, facts. */
  readonly notices: HTMLElement;
  /** Left (a strip above the hero where the panel is narrow): what there is to choose from. */
  readonly list: HTMLElement;
  readonly hero: HTMLElement;
  readonly evidence: HTMLElement;
  /** Everything below the header and notices. */
  readonly content: HTMLElement;
  /** Header, left side: what am I looking at? Parts from the general to the particular. */
  setTrail(parts: readonly string[]): void;
}

/** Build the frame into the page. */
export function buildFrame(listLabel: string): Frame {
  const trail = html('h1', { class: 'trail' });
  const actions = html('div', { class: 'actions', role: 'group', 'aria-label': 'Panel' });
  const notices = html('div', { class: 'notices' });
  const list = html('nav', { class: 'list', 'aria-label': listLabel });
  const hero = html('div', { class: 'hero' });
  const evidence = html('div', { class: 'evidence' });
  const content = html('div', { class: 'content' }, list, html('div', { class: 'main' }, hero, evidence));
  installPatterns();
  document.body.prepend(
    html('main', { class: 'frame' }, html('header', { class: 'header' }, trail, actions), notices, content),
  );
  let shown = '';
  return {
    actions,
    notices,
    list,
    hero,
    evidence,
    content,
    setTrail(parts) {
      const key = JSON.stringify(parts);
      if (key === shown) return;
      shown = key;
      trail.replaceChildren(
        ...parts.map((part, i) => html('span', {}, i > 0 ? icon('chevron-right') : undefined, part)),
      );
    },
  };
}

/** A titled part of the evidence. */
export function block(title: string, ...children: readonly Child[]): HTMLElement {
  return html('section', { class: 'block' }, html('h2', {}, title), ...children);
}
