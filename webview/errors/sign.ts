import type { Verdict } from '../../src/core/verdict/verdict.js';
import { drawMarks } from '../shared/chart/draw.js';
import { type Mark, rect } from '../shared/chart/marks.js';
import { html, setText, svg } from '../shared/dom.js';

const side = 14;

/** A verdict's sign: two halves, the upper one for norm, the lower one for angle; filled where it mends the error. */
function signMarks(verdict: Verdict): readonly Mark[] {
  const norm = verdict === 'norm' || verdict === 'both';
  const angle = verdict === 'angle' || verdict === 'both';
  return [
    ...(norm
      ? [rect('norm', 'verdict-bar norm', { x: 1, y: 1, width: side - 2, height: side / 2 - 1 })]
      : []),
    ...(angle
      ? [rect('angle', 'verdict-bar angle', { x: 1, y: side / 2, width: side - 2, height: side / 2 - 1 })]
      : []),
    rect('frame', 'verdict-frame', { x: 1, y: 1, width: side - 2, height: side - 2 }),
  ];
}

export interface VerdictSign {
  readonly element: HTMLElement;
  update(verdict: Verdict): void;
}

/** A verdict as sign and word. */
export function verdictSign(): VerdictSign {
  const picture = svg('svg', { class: 'verdict-sign', width: side, height: side, 'aria-hidden': 'true' });
  const word = html('span');
  return {
    element: html('span', { class: 'verdict' }, picture, word),
    update(verdict) {
      drawMarks(picture, signMarks(verdict));
      setText(word, verdict);
    },
  };
}
