import {
  type ListedTensor,
  pageColumns,
  pageRows,
  type TensorValue,
} from '../../src/protocol/panels/tensors.js';
import { type ButtonControl, button, type PickerControl, picker } from '../shared/controls.js';
import { html, setText } from '../shared/dom.js';
import { count, inColumn } from '../shared/format.js';
import { TableView } from '../shared/table.js';

/** A part of a tensor. */
export interface Place {
  readonly tensor: string;
  readonly leading: readonly number[];
  readonly row: number;
  readonly column: number;
}

/** A picker with more choices than these would be no help: a number is typed instead. */
const mostChoices = 512;

/** The values of one tensor, a page at a time: pickers for the leading axes, buttons for rows and columns. */
export class PageView {
  readonly element: HTMLElement;
  private readonly table = new TableView();
  private readonly axes = html('div', { class: 'axes' });
  private readonly where = html('span', { class: 'where' });
  private readonly steps: Readonly<Record<'up' | 'down' | 'left' | 'right', ButtonControl>>;
  private tensor: ListedTensor | undefined;
  private place: Place | undefined;
  private request = 0;

  constructor(
    private readonly load: (place: {
      tensor: string;
      leading: number[];
      row: number;
      column: number;
    }) => Promise<readonly (readonly TensorValue[])[]>,
    private readonly failed: (thrown: unknown) => void,
  ) {
    const step = (icon: string, label: string, rows: number, columns: number): ButtonControl =>
      button({ label, icon, iconOnly: true, appearance: 'icon' }, () => this.move(rows, columns));
    this.steps = {
      up: step('arrow-up', 'Rows before', -pageRows, 0),
      down: step('arrow-down', 'Rows after', pageRows, 0),
      left: step('arrow-left', 'Columns before', 0, -pageColumns),
      right: step('arrow-right', 'Columns after', 0, pageColumns),
    };
    this.element = html(
      'div',
      { class: 'page' },
      html(
        'div',
        { class: 'page-head' },
        this.axes,
        html(
          'span',
          { class: 'steps', role: 'group', 'aria-label': 'Page' },
          ...Object.values(this.steps).map(({ element }) => element),
        ),
        this.where,
      ),
      this.table.element,
    );
  }

  /** Show a tensor from its start; the same one stays where it is. */
  show(tensor: ListedTensor): void {
    const same = tensor.name === this.tensor?.name && tensor.shape.join() === this.tensor.shape.join();
    this.tensor = tensor;
    if (!same || this.place === undefined) {
      this.place = {
        tensor: tensor.name,
        leading: tensor.shape.slice(0, -2).map(() => 0),
        row: 0,
        column: 0,
      };
      this.drawAxes(tensor);
    }
    this.read();
  }

  private drawAxes({ shape }: ListedTensor): void {
    this.axes.replaceChildren(
      ...shape.slice(0, -2).map((size, axis) => {
        const choose = (value: string): void => {
          const { place } = this;
          if (place === undefined) return;
          const at = Math.min(size - 1, Math.max(0, Math.floor(Number(value)) || 0));
          this.place = { ...place, leading: place.leading.map((old, i) => (i === axis ? at : old)) };
          this.read();
        };
        const label = `axis ${axis + 1} of ${shape.length}`;
        if (size > mostChoices) return numberField(label, size, choose);
        const control: PickerControl = picker(label, choose);
        control.update(
          Array.from({ length: size }, (_, i) => ({ value: String(i), text: String(i) })),
          '0',
        );
        return control.element;
      }),
    );
  }

  private move(rows: number, columns: number): void {
    const { place } = this;
    if (place === undefined) return;
    this.place = {
      ...place,
      row: Math.max(0, place.row + rows),
      column: Math.max(0, place.column + columns),
    };
    this.read();
  }

  private read(): void {
    const { tensor, place } = this;
    if (tensor === undefined || place === undefined) return;
    const [rows, columns] = [tensor.shape.at(-2) ?? 1, tensor.shape.at(-1) ?? 1];
    const last = {
      row: Math.min(rows, place.row + pageRows),
      column: Math.min(columns, place.column + pageColumns),
    };
    const stepped = (key: keyof PageView['steps'], icon: string, label: string, possible: boolean): void =>
      this.steps[key].update({ label, icon, iconOnly: true, appearance: 'icon', disabled: !possible });
    stepped('up', 'arrow-up', 'Rows before', place.row > 0);
    stepped('down', 'arrow-down', 'Rows after', last.row < rows);
    stepped('left', 'arrow-left', 'Columns before', place.column > 0);
    stepped('right', 'arrow-right', 'Columns after', last.column < columns);
    const empty = rows === 0 || columns === 0 || place.leading.length < tensor.shape.length - 2;
    setText(
      this.where,
      empty
        ? 'no values'
        : `rows ${count(place.row)} to ${count(last.row - 1)} of ${count(rows)}, columns ${count(place.column)} to ${count(last.column - 1)} of ${count(columns)}`,
    );
    this.table.element.hidden = empty || tensor.shape.includes(0);
    if (this.table.element.hidden) return;
    const mine = ++this.request;
    this.load({ ...place, leading: [...place.leading] }).then(
      (values) => {
        if (mine !== this.request) return;
        this.table.update({
          caption: `Values of ${tensor.name}${place.leading.length > 0 ? ` at [${place.leading.join(', ')}]` : ''}`,
          columns: [
            { label: '' },
            ...Array.from({ length: last.column - place.column }, (_, i) => ({
              label: String(place.column + i),
            })),
          ],
          rows: values.map((row, i) => [
            { text: String(place.row + i), value: place.row + i },
            ...row.map((value) => ({ text: typeof value === 'number' ? inColumn(value) : value, value })),
          ]),
        });
      },
      (thrown: unknown) => {
        if (mine === this.request) this.failed(thrown);
      },
    );
  }
}

function numberField(label: string, size: number, choose: (value: string) => void): HTMLElement {
  const field = html('input', { type: 'number', min: 0, max: size - 1, value: 0 });
  field.addEventListener('change', () => choose(field.value));
  return html('label', { class: 'picker' }, html('span', {}, label), field);
}
