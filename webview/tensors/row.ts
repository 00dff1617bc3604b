import type { ListedTensor } from '../../src/protocol/panels/tensors.js';
import { drawMarks } from '../shared/chart/draw.js';
import { rect } from '../shared/chart/marks.js';
import { html, setText, svg } from '../shared/dom.js';
import { percent } from '../shared/format.js';
import type { Row } from '../shared/listbox.js';
import { shapeText, size } from './content.js';

const bar = { width: 32, height: 8 } as const;

export interface SharedTensor extends ListedTensor {
  /** Of the file's tensors, 0 to 1. */
  readonly share: number;
}

/** A tensor in the list: name, type and shape, and how much of the file it is. */
export function tensorRow(): Row<SharedTensor> {
  const name = html('span', { class: 'row-name' });
  const form = html('span', { class: 'row-note row-form' });
  const much = html('span', { class: 'row-note' });
  const picture = svg('svg', { class: 'share', ...bar, 'aria-hidden': 'true' });
  return {
    element: html(
      'div',
      { class: 'tensor-row' },
      name,
      html('div', { class: 'row-line' }, form, html('span', { class: 'row-share' }, picture, much)),
    ),
    update({ name: text, dtype, shape, bytes, share }) {
      setText(name, text);
      name.title = text;
      setText(form, `${dtype} ${shapeText(shape)}`);
      setText(much, size(bytes));
      drawMarks(picture, [
        rect('all', 'frame-line', { x: 0.5, y: 0.5, width: bar.width - 1, height: bar.height - 1 }),
        rect('part', 'area plain', {
          x: 0.5,
          y: 0.5,
          width: (bar.width - 1) * share,
          height: bar.height - 1,
        }),
      ]);
      return `${percent(share)} of the file`;
    },
  };
}
