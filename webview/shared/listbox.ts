import { html, setAttributes, setText, uniqueId } from './dom.js';

/** A row of the list: a picture of its thing. Kept as long as its key stays. */
export interface Row<T> {
  readonly element: HTMLElement;
  /** Redraw for new data; gives what the pictures show, in words for those who do not see them. */
  update(item: T): string;
}

export interface ListboxOptions<T> {
  readonly label: string;
  readonly keyOf: (item: T) => string;
  readonly createRow: () => Row<T>;
  /** The user chose a row (pointer, arrow keys, Enter). */
  readonly choose: (key: string) => void;
}

interface Entry<T> {
  readonly row: Row<T>;
  readonly option: HTMLElement;
  readonly words: HTMLElement;
}

/** A list with one tab stop: arrow keys, Home and End move and choose; Enter chooses again. */
export class Listbox<T> {
  readonly element: HTMLElement;
  private readonly entries = new Map<string, Entry<T>>();
  private keys: readonly string[] = [];
  private chosen: string | undefined;

  constructor(private readonly options: ListboxOptions<T>) {
    this.element = html('div', {
      class: 'listbox',
      role: 'listbox',
      tabindex: 0,
      'aria-label': options.label,
    });
    this.element.addEventListener('keydown', (event) => this.onKey(event));
    // Where the panel becomes narrow the list becomes a strip, and the chosen row may be outside.
    new ResizeObserver(() => this.reveal()).observe(this.element);
  }

  /** Show items; `chosen` is the key of the selected one. */
  update(items: readonly T[], chosen: string | undefined): void {
    const keys = items.map(this.options.keyOf);
    for (const [key, entry] of this.entries) {
      if (keys.includes(key)) continue;
      entry.option.remove();
      this.entries.delete(key);
    }
    items.forEach((item, i) => {
      const key = keys[i]!;
      const entry = this.entries.get(key) ?? this.create(key);
      setText(entry.words, entry.row.update(item));
      if (this.element.children[i] !== entry.option) {
        this.element.insertBefore(entry.option, this.element.children[i] ?? null);
      }
    });
    this.keys = keys;
    this.select(chosen);
  }

  private create(key: string): Entry<T> {
    const row = this.options.createRow();
    const words = html('span', { class: 'for-screen-readers' });
    const option = html(
      'div',
      { class: 'option', role: 'option', id: uniqueId('option'), 'data-key': key },
      row.element,
      words,
    );
    option.addEventListener('click', () => this.options.choose(key));
    const entry = { row, option, words };
    this.entries.set(key, entry);
    return entry;
  }

  private select(key: string | undefined): void {
    const changed = key !== this.chosen;
    this.chosen = key;
    for (const [name, { option }] of this.entries) {
      setAttributes(option, { 'aria-selected': String(name === key) });
    }
    setAttributes(this.element, { 'aria-activedescendant': this.option?.id });
    if (changed) this.reveal();
  }

  private get option(): HTMLElement | undefined {
    return this.chosen === undefined ? undefined : this.entries.get(this.chosen)?.option;
  }

  /** Scroll the list, and nothing around it, until the chosen row is inside. */
  private reveal(): void {
    const { option, element } = this;
    if (!option) return;
    const [row, list] = [option.getBoundingClientRect(), element.getBoundingClientRect()];
    if (row.left < list.left || row.right > list.right) element.scrollLeft += row.left - list.left - 8;
    if (row.top < list.top || row.bottom > list.bottom) element.scrollTop += row.top - list.top - 8;
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey || this.keys.length === 0) return;
    const current = this.chosen === undefined ? -1 : this.keys.indexOf(this.chosen);
    const last = this.keys.length - 1;
    const target = {
      ArrowDown: Math.min(last, current + 1),
      ArrowRight: Math.min(last, current + 1),
      ArrowUp: Math.max(0, current - 1),
      ArrowLeft: Math.max(0, current - 1),
      Home: 0,
      End: last,
      Enter: current,
      ' ': current,
    }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    const key = this.keys[target];
    const again = event.key === 'Enter' || event.key === ' ';
    if (key !== undefined && (again || target !== current)) this.options.choose(key);
  }
}
