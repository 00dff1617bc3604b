import { svg } from '../dom.js';
import type { LegendItem } from './content.js';
import { drawMarks } from './draw.js';
import { dot, line, type Mark, rect, rule } from './marks.js';

const width = 18;
const height = 10;

/** The sign in front of a legend's words, 18 × 10 pixels from (x, y). */
export function signMarks(key: string, item: LegendItem, x: number, y: number): readonly Mark[] {
  const middle = y + height / 2;
  const look = item.second ? `${item.hue} second` : item.hue;
  switch (item.sign) {
    case 'area':
      return [rect(`${key}-sign`, `area ${look}`, { x, y, width, height })];
    case 'heat':
      return [0.2, 0.55, 1].map((opacity, i) => {
        const cell = rect(`${key}-sign-${i}`, 'cell', { x: x + 6 * i, y, width: 6, height });
        return { ...cell, attributes: { ...cell.attributes, 'fill-opacity': opacity } };
      });
    case 'line':
      return [
        line(`${key}-sign`, look, [
          [x, middle],
          [x + width, middle],
        ]),
      ];
    case 'hairline':
      return [rule(`${key}-sign`, 'radius', [x + width / 2, y - 1], [x + width / 2, y + height + 1])];
    case 'level':
      return [rule(`${key}-sign`, 'radius', [x, middle], [x + width, middle])];
    case 'dot':
      return [dot(`${key}-sign`, item.hue, [x + width / 2, middle], 3.5)];
  }
}

/** The sign as an element of its own. */
export function signElement(item: LegendItem): SVGSVGElement {
  const element = svg('svg', { class: 'sign', width, height: height + 2, 'aria-hidden': 'true' });
  drawMarks(element, signMarks('legend', item, 0, 1));
  return element;
}
