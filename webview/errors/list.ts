import type { DataImage } from '../../src/protocol/images.js';
import { type ButtonControl, button } from '../shared/controls.js';
import { html, setText } from '../shared/dom.js';
import { count } from '../shared/format.js';
import { Listbox } from '../shared/listbox.js';
import { type GalleryItem, galleryRow } from './gallery.js';
import type { ListedError } from './selection.js';

const pageSize = 24;
/** So many images are asked for in one message, which stays small with large images too. */
const together = 8;

export interface ErrorListOptions {
  readonly choose: (error: ListedError) => void;
  readonly images: (indices: number[]) => Promise<readonly DataImage[]>;
  readonly failed: (thrown: unknown) => void;
}

/** The errors, a page at a time; arrow keys go on over the page's end. */
export class ErrorList {
  readonly element: HTMLElement;
  private readonly listbox: Listbox<GalleryItem>;
  private readonly before: ButtonControl;
  private readonly after: ButtonControl;
  private readonly place = html('span', { class: 'note' });
  private readonly pager: HTMLElement;
  private readonly images = new Map<number, DataImage>();
  private readonly asked = new Set<number>();
  private data = '';
  private errors: readonly ListedError[] = [];
  private names: readonly string[] = [];
  private chosen: ListedError | undefined;
  private page = 0;

  constructor(private readonly options: ErrorListOptions) {
    this.listbox = new Listbox<GalleryItem>({
      label: 'Errors',
      keyOf: ({ error }) => String(error.index),
      createRow: galleryRow,
      choose: (key) => {
        const error = this.errors.find(({ index }) => String(index) === key);
        if (error) options.choose(error);
      },
    });
    this.before = button({ label: 'Previous' }, () => this.turn(-1));
    this.after = button({ label: 'Next' }, () => this.turn(1));
    this.pager = html('div', { class: 'pager' }, this.before.element, this.place, this.after.element);
    this.element = html('div', { class: 'error-list' }, this.listbox.element, this.pager);
  }

  /** @param data whose images they are: those of other data are forgotten */
  update(
    errors: readonly ListedError[],
    names: readonly string[],
    data: string,
    chosen: ListedError | undefined,
  ): void {
    if (data !== this.data) {
      this.images.clear();
      this.asked.clear();
    }
    this.data = data;
    this.errors = errors;
    this.names = names;
    this.chosen = chosen;
    this.page = chosen ? Math.floor(errors.indexOf(chosen) / pageSize) : 0;
    this.draw();
  }

  private get pages(): number {
    return Math.max(1, Math.ceil(this.errors.length / pageSize));
  }

  private turn(by: number): void {
    const first = this.errors[Math.max(0, Math.min(this.pages - 1, this.page + by)) * pageSize];
    if (first) this.options.choose(first);
  }

  private draw(): void {
    const shown = this.errors.slice(this.page * pageSize, (this.page + 1) * pageSize);
    const items = shown.map((error) => ({ error, names: this.names, image: this.images.get(error.index) }));
    this.listbox.update(items, this.chosen && String(this.chosen.index));
    this.listbox.element.hidden = shown.length === 0;
    this.pager.hidden = this.pages < 2;
    setText(this.place, `${count(this.page + 1)} of ${count(this.pages)}`);
    const look = { appearance: 'icon', iconOnly: true } as const;
    this.before.update({ ...look, label: 'Previous page', icon: 'chevron-left', disabled: this.page === 0 });
    this.after.update({
      ...look,
      label: 'Next page',
      icon: 'chevron-right',
      disabled: this.page === this.pages - 1,
    });
    void this.fetch(shown.map(({ index }) => index));
  }

  private async fetch(indices: readonly number[]): Promise<void> {
    const wanted = indices.filter((index) => !this.asked.has(index));
    if (wanted.length === 0) return;
    const { data } = this;
    for (const index of wanted) this.asked.add(index);
    try {
      for (let from = 0; from < wanted.length; from += together) {
        const images = await this.options.images(wanted.slice(from, from + together));
        if (this.data !== data) return;
        for (const image of images) this.images.set(image.index, image);
        this.draw();
      }
    } catch (thrown) {
      if (this.data === data) for (const index of wanted) this.asked.delete(index);
      this.options.failed(thrown);
    }
  }
}
