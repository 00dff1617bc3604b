import { html, icon, setAttributes } from './dom.js';

/** One cell: what is shown, and the exact value behind it (tooltip and sort order). */
export interface Cell {
  readonly text: string;
  readonly value: number | string | undefined;
}

export interface Column {
  readonly label: string;
  readonly hue?: 'norm' | 'angle';
  /** Words align to the left; numbers, the default, to the right. */
  readonly words?: boolean;
}

export interface DataTable {
  readonly caption: string;
  readonly columns: readonly Column[];
  /** The first cell of a row is its name. */
  readonly rows: readonly (readonly Cell[])[];
}

export interface TableOptions {
  readonly sortable?: boolean;
  /** Rows can be chosen; called with the row's position in `rows`, or `undefined` when the choice is taken back. */
  readonly choose?: (row: number | undefined) => void;
}

function compare(a: Cell['value'], b: Cell['value']): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a ?? '').localeCompare(String(b ?? ''), 'en', { numeric: true });
}

/** A table in the panels' look. Headers and the focus stay through every `update`. */
export class TableView {
  readonly element: HTMLElement;
  private readonly head = html('thead');
  private readonly body = html('tbody');
  private readonly caption = html('caption');
  private table: DataTable | undefined;
  private chosen: number | undefined;
  private sorting: { readonly column: number; readonly descending: boolean } | undefined;
  private content = '';
  private headerKey = '';

  constructor(private readonly options: TableOptions = {}) {
    this.element = html(
      'div',
      { class: 'table-scroll', tabindex: 0, role: 'region' },
      html('table', {}, this.caption, this.head, this.body),
    );
  }

  update(table: DataTable, chosen?: number): void {
    const content = JSON.stringify([table, chosen]);
    // Nothing new: what is selected or under the pointer stays as it is.
    if (content === this.content) return;
    this.content = content;
    this.table = table;
    this.chosen = chosen;
    this.draw(table);
  }

  private draw(table: DataTable): void {
    setAttributes(this.element, { 'aria-label': table.caption });
    this.caption.textContent = table.caption;
    if (this.sorting && this.sorting.column >= table.columns.length) this.sorting = undefined;
    this.drawHead(table);
    this.drawBody(table);
  }

  private drawHead(table: DataTable): void {
    const key = JSON.stringify(table.columns);
    if (key !== this.headerKey) {
      this.headerKey = key;
      this.head.replaceChildren(
        html('tr', {}, ...table.columns.map((column, index) => this.header(column, index))),
      );
    }
    this.head.querySelectorAll('th').forEach((cell, index) => {
      const sorted = this.sorting?.column === index;
      const direction = this.sorting?.descending ? 'descending' : 'ascending';
      if (this.options.sortable) setAttributes(cell, { 'aria-sort': sorted ? direction : 'none' });
      const arrow = this.sorting?.descending ? 'arrow-down' : 'arrow-up';
      cell.querySelector('.codicon')?.setAttribute('class', `codicon codicon-${sorted ? arrow : 'blank'}`);
    });
  }

  private header(column: Column, index: number): HTMLElement {
    const cell = html('th', {
      scope: 'col',
      class: [column.hue, column.words || index === 0 ? 'words' : 'number'].filter(Boolean).join(' '),
    });
    if (!this.options.sortable) {
      cell.append(column.label);
      return cell;
    }
    const sort = html('button', { type: 'button', class: 'sort' }, column.label, icon('blank'));
    sort.addEventListener('click', () => {
      const again = this.sorting?.column === index;
      this.sorting = { column: index, descending: again ? !this.sorting?.descending : false };
      if (this.table) this.draw(this.table);
    });
    cell.append(sort);
    return cell;
  }

  private drawBody(table: DataTable): void {
    const order = table.rows.map((_, index) => index);
    const { sorting } = this;
    if (sorting) {
      order.sort((a, b) => {
        const cells = [table.rows[a]?.[sorting.column], table.rows[b]?.[sorting.column]] as const;
        return compare(cells[0]?.value, cells[1]?.value) * (sorting.descending ? -1 : 1) || a - b;
      });
    }
    const focused = this.body.contains(document.activeElement)
      ? document.activeElement?.getAttribute('data-row')
      : undefined;
    this.body.replaceChildren(...order.map((row) => this.row(table, row)));
    if (focused) this.body.querySelector<HTMLElement>(`[data-row="${focused}"]`)?.focus();
  }

  private row(table: DataTable, index: number): HTMLElement {
    const cells = table.rows[index] ?? [];
    const chosen = index === this.chosen;
    return html(
      'tr',
      { class: chosen ? 'chosen' : undefined },
      ...cells.map((cell, column) => {
        const exact = cell.value !== undefined && String(cell.value) !== cell.text ? cell.value : undefined;
        const words = table.columns[column]?.words || column === 0;
        if (column > 0) return html('td', { class: words ? 'words' : 'number', title: exact }, cell.text);
        const name = html('th', { scope: 'row', class: 'words', title: exact });
        if (!this.options.choose) {
          name.append(cell.text);
          return name;
        }
        const choose = html(
          'button',
          { type: 'button', class: 'choose', 'aria-pressed': String(chosen), 'data-row': index },
          cell.text,
        );
        choose.addEventListener('click', () => this.options.choose?.(chosen ? undefined : index));
        name.append(choose);
        return name;
      }),
    );
  }
}
