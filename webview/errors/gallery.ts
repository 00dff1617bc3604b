import type { DataImage } from '../../src/protocol/images.js';
import { html, setText } from '../shared/dom.js';
import { short } from '../shared/format.js';
import type { Row } from '../shared/listbox.js';
import { imageElement } from '../shared/pixels.js';
import type { ListedError } from './selection.js';
import { verdictSign } from './sign.js';

/** What a row of the gallery shows. */
export interface GalleryItem {
  readonly error: ListedError;
  readonly names: readonly string[];
  /** Undefined until it has come. */
  readonly image: DataImage | undefined;
}

/** An error in the list: its picture, what it is and what it is taken for, and the verdict. */
export function galleryRow(): Row<GalleryItem> {
  const thumbnail = html('div', { class: 'thumbnail', 'aria-hidden': 'true' });
  const title = html('div', { class: 'gallery-title' });
  const sign = verdictSign();
  const layer = html('span', { class: 'gallery-layer' });
  let drawn: DataImage | undefined;
  return {
    element: html(
      'div',
      { class: 'gallery-row' },
      thumbnail,
      html(
        'div',
        { class: 'gallery-words' },
        title,
        html('div', { class: 'gallery-verdict' }, sign.element, layer),
      ),
    ),
    update({ error, names, image }) {
      setText(title, `${names[error.label]} → ${names[error.predicted]}`);
      sign.update(error.verdict);
      setText(layer, error.layer === undefined ? '' : `at ${error.layer}`);
      if (image !== drawn) {
        drawn = image;
        thumbnail.replaceChildren(...(image ? [imageElement(image, `image ${image.index}`)] : []));
      }
      return `test image ${error.index}, margin ${short(error.marginDegrees)}°`;
    },
  };
}
