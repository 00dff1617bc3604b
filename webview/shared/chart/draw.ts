import { select } from 'd3';
import { setAttributes, setText, svg, svgNamespace } from '../dom.js';
import type { Mark } from './marks.js';

/** Draw marks into an SVG element: what stays keeps its element, so a redraw does not flicker. */
export function drawMarks(into: SVGElement, marks: readonly Mark[]): void {
  select(into)
    .selectChildren<SVGElement, Mark>()
    .data(marks, (mark) => mark.key)
    .join((enter) => enter.append((mark) => document.createElementNS(svgNamespace, mark.tag)))
    .each(function (mark) {
      setAttributes(this, { class: mark.className, 'data-mark': mark.key, ...mark.attributes });
      if (mark.text !== undefined) setText(this, mark.text);
    });
}

/** Names of the fill patterns; `high contrast` themes may give both hues the same colour, so hatching tells them apart. */
const patterns = ['norm', 'angle', 'plain'] as const;

function hatching(name: (typeof patterns)[number]): SVGPatternElement {
  const d = {
    norm: 'M-1 7L7 -1M-1 1L1 -1M5 7L7 5',
    angle: 'M3 0V6',
    plain: 'M0 3H6',
  }[name];
  return svg(
    'pattern',
    { id: `hatch-${name}`, width: 6, height: 6, patternUnits: 'userSpaceOnUse' },
    svg('path', { class: `hatch ${name}`, d }),
  );
}

/** Put the fill patterns into the page; style sheets refer to them as `url(#hatch-norm)` and so on. */
export function installPatterns(): void {
  document.body.append(
    svg(
      'svg',
      { class: 'patterns', width: 0, height: 0, 'aria-hidden': 'true' },
      svg('defs', {}, ...patterns.map(hatching)),
    ),
  );
}
