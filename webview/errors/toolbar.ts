import { normalisations } from '../../src/core/verdict/confusion.js';
import { type ButtonControl, button, picker } from '../shared/controls.js';
import { html } from '../shared/dom.js';
import type { MatrixLook } from './matrix.js';

const normaliseWords = { none: 'none: images', row: 'by true class', column: 'by predicted class' } as const;
const matrixWords = { first: 'A', second: 'B', difference: 'B − A' } as const;
const orderWords = { label: 'as labelled', similarity: 'by similarity' } as const;

function choicesOf<K extends string>(words: Readonly<Record<K, string>>) {
  return Object.entries<string>(words).map(([value, text]) => ({ value, text }));
}

function isKey<K extends string>(words: Readonly<Record<K, string>>, value: string): value is K {
  return value in words;
}

/** How the matrix is drawn. */
export class MatrixToolbar {
  readonly element: HTMLElement;
  private look: MatrixLook | undefined;
  private readonly matrix = picker(
    'Matrix',
    (value) => isKey(matrixWords, value) && this.change({ matrix: value }),
  );
  private readonly normalise = picker(
    'Normalise',
    (value) => isKey(normaliseWords, value) && this.change({ normalise: value }),
  );
  private readonly order = picker(
    'Order',
    (value) => isKey(orderWords, value) && this.change({ order: value }),
  );
  private readonly threshold = html('input', { type: 'number', min: 1, step: 1, value: 1 });
  private readonly diagonal: ButtonControl;

  constructor(private readonly onChange: (look: MatrixLook) => void) {
    this.diagonal = button(this.diagonalLook(true), () => this.change({ diagonal: !this.look?.diagonal }));
    this.threshold.addEventListener('change', () =>
      this.change({ threshold: Math.max(1, Math.round(Number(this.threshold.value) || 1)) }),
    );
    this.element = html(
      'div',
      { class: 'toolbar', role: 'group', 'aria-label': 'Matrix' },
      this.matrix.element,
      this.normalise.element,
      this.order.element,
      html(
        'label',
        { class: 'picker' },
        html('span', {}, 'At least'),
        this.threshold,
        html('span', {}, 'images'),
      ),
      this.diagonal.element,
    );
  }

  update(look: MatrixLook, hasSecond: boolean): void {
    this.look = look;
    this.matrix.update(choicesOf(matrixWords), look.matrix, !hasSecond);
    const order = normalisations.map((value) => ({ value, text: normaliseWords[value] }));
    this.normalise.update(order, look.normalise);
    this.order.update(choicesOf(orderWords), look.order);
    if (document.activeElement !== this.threshold) this.threshold.value = String(look.threshold);
    this.diagonal.update(this.diagonalLook(look.diagonal));
  }

  private change(part: Partial<MatrixLook>): void {
    if (this.look) this.onChange({ ...this.look, ...part });
  }

  private diagonalLook(shown: boolean) {
    return {
      label: 'Diagonal',
      appearance: 'icon',
      pressed: shown,
      description: 'Show the diagonal',
    } as const;
  }
}
