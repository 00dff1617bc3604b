import { button } from '../controls.js';
import { html, setAttributes, setText, svg, uniqueId } from '../dom.js';
import { TableView } from '../table.js';
import type { ChartContent, CursorStop, Picture } from './content.js';
import { drawMarks } from './draw.js';
import { toPng, toSvg } from './export.js';
import { signElement } from './legend.js';

/** A file that the host is asked to save. */
export interface FileToSave {
  readonly suggestedName: string;
  readonly content: string;
  readonly encoding: 'utf8' | 'base64';
}

/** Steps of the cursor for each key: columns, rows. */
const steps: Readonly<Record<string, readonly [number, number]>> = {
  ArrowRight: [1, 0],
  ArrowLeft: [-1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
  PageDown: [10, 0],
  PageUp: [-10, 0],
  Home: [Number.NEGATIVE_INFINITY, 0],
  End: [Number.POSITIVE_INFINITY, 0],
};

const clamp = (value: number, size: number): number => Math.min(size - 1, Math.max(0, value));

/**
 * A chart on the page: picture, legend, tooltip under the pointer or the keyboard's cursor, table and files.
 * One tab stop; arrow keys move the cursor inside it. A new `update` redraws in place and keeps cursor and focus.
 */
export class Chart {
  readonly element: HTMLElement;
  private readonly title = html('h2', { id: uniqueId('chart') });
  private readonly legend = html('ul', { class: 'legend' });
  private readonly surface = svg('svg', {
    class: 'surface',
    role: 'img',
    tabindex: 0,
    'aria-roledescription': 'chart',
  });
  private readonly plot = svg('g');
  private readonly pointer = svg('g', { class: 'cursor' });
  private readonly tooltip = html('div', { class: 'tooltip', hidden: true, 'aria-hidden': 'true' });
  private readonly spoken = html('p', { class: 'for-screen-readers', role: 'status' });
  private readonly body: HTMLElement;
  private readonly tables = html('div', { class: 'chart-tables', hidden: true });
  private readonly tableToggle = button(this.toggleLook(false), () => this.showTable(this.tables.hidden));
  private content: ChartContent | undefined;
  private picture: Picture | undefined;
  private width = 0;
  private position: readonly [column: number, row: number] | undefined;
  private reading: 'pointer' | 'keyboard' | undefined;

  /** @param save hands a file to the host; failures are shown by whoever gives it */
  constructor(private readonly save: (file: FileToSave) => void) {
    this.surface.append(this.plot, this.pointer);
    this.body = html('div', { class: 'chart-body' }, this.surface, this.tooltip);
    const saveSvg = button(
      { label: 'SVG', description: 'Save the chart as SVG', appearance: 'icon' },
      () => void this.export('svg'),
    );
    const savePng = button(
      { label: 'PNG', description: 'Save the chart as PNG', appearance: 'icon' },
      () => void this.export('png'),
    );
    this.element = html(
      'section',
      { class: 'chart', 'aria-labelledby': this.title.id },
      html(
        'div',
        { class: 'chart-head' },
        this.title,
        html(
          'div',
          { class: 'chart-tools', role: 'group', 'aria-label': 'Chart' },
          this.tableToggle.element,
          saveSvg.element,
          savePng.element,
        ),
      ),
      this.legend,
      this.body,
      this.tables,
      this.spoken,
    );
    this.listen();
    new ResizeObserver(() => {
      const width = Math.floor(this.body.clientWidth);
      if (width > 0 && width !== this.width) {
        this.width = width;
        this.draw();
      }
    }).observe(this.body);
  }

  update(content: ChartContent): void {
    const legendChanged = JSON.stringify(content.legend) !== JSON.stringify(this.content?.legend);
    this.content = content;
    setText(this.title, content.title);
    setAttributes(this.surface, {
      'aria-label': `${content.title}${/\W$/.test(content.title) ? '' : '.'} ${content.summary}`,
    });
    if (legendChanged) {
      this.legend.replaceChildren(
        ...content.legend.map((item) => html('li', {}, signElement(item), item.text)),
      );
    }
    this.draw();
    if (!this.tables.hidden) this.drawTables();
  }

  private draw(): void {
    if (!this.content || this.width === 0) return;
    this.picture = this.content.draw(this.width);
    const { width, height, marks, cursor } = this.picture;
    setAttributes(this.surface, { width, height, viewBox: `0 0 ${width} ${height}` });
    drawMarks(this.plot, marks);
    if (this.reading && cursor && this.position) this.moveTo(this.position[0], this.position[1], false);
    else if (!cursor) this.endReading();
  }

  private listen(): void {
    this.surface.addEventListener('pointermove', (event) => {
      const place = this.picture?.cursor?.locate(event.offsetX, event.offsetY);
      if (!place) {
        if (this.reading === 'pointer') this.endReading();
        return;
      }
      this.reading = 'pointer';
      this.moveTo(place[0], place[1], false);
    });
    this.surface.addEventListener('click', (event) => {
      const cursor = this.picture?.cursor;
      const place = cursor?.locate(event.offsetX, event.offsetY);
      if (place) cursor?.choose?.(...place);
    });
    this.surface.addEventListener('pointerleave', () => {
      if (this.reading === 'pointer') this.endReading();
    });
    this.surface.addEventListener('focus', () => {
      const cursor = this.picture?.cursor;
      if (!cursor || !this.surface.matches(':focus-visible')) return;
      this.reading = 'keyboard';
      const [column, row] = this.position ?? cursor.start;
      this.moveTo(column, row, true);
    });
    this.surface.addEventListener('blur', () => this.endReading());
    this.surface.addEventListener('keydown', (event) => {
      const cursor = this.picture?.cursor;
      if (event.key === 'Escape') this.endReading();
      if (cursor?.choose && this.position && (event.key === 'Enter' || event.key === ' ')) {
        event.preventDefault();
        cursor.choose(...this.position);
        return;
      }
      const step = steps[event.key];
      if (!cursor || !step || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      this.reading = 'keyboard';
      const [column, row] = this.position ?? cursor.start;
      this.moveTo(column + step[0], row + step[1], true);
    });
  }

  private moveTo(column: number, row: number, speak: boolean): void {
    const cursor = this.picture?.cursor;
    if (!cursor || cursor.columns === 0 || cursor.rows === 0) return;
    this.position = [clamp(column, cursor.columns), clamp(row, cursor.rows)];
    const stop = cursor.stop(...this.position);
    drawMarks(this.pointer, stop.marks);
    this.showTooltip(stop);
    if (speak)
      setText(this.spoken, stop.readings.map(({ label, value }) => `${label} ${value}`.trim()).join(', '));
  }

  private showTooltip(stop: CursorStop): void {
    this.tooltip.replaceChildren(
      html(
        'dl',
        {},
        ...stop.readings.flatMap(({ label, value, hue }) => [
          html('dt', { class: hue }, label),
          html('dd', {}, value),
        ]),
      ),
    );
    this.tooltip.hidden = false;
    const { width, height } = this.picture ?? { width: 0, height: 0 };
    const box = this.tooltip.getBoundingClientRect();
    const right = stop.at[0] + 14;
    const left = right + box.width > width ? stop.at[0] - 14 - box.width : right;
    this.tooltip.style.left = `${Math.max(0, Math.min(left, width - box.width))}px`;
    this.tooltip.style.top = `${Math.max(0, Math.min(stop.at[1] - box.height / 2, height - box.height))}px`;
  }

  private endReading(): void {
    this.reading = undefined;
    this.tooltip.hidden = true;
    drawMarks(this.pointer, []);
  }

  private toggleLook(shown: boolean) {
    return {
      label: shown ? 'Show as picture' : 'Show as table',
      icon: 'table',
      iconOnly: true,
      pressed: shown,
      description: 'Show as table',
      appearance: 'icon',
    } as const;
  }

  private showTable(shown: boolean): void {
    this.tables.hidden = !shown;
    this.body.hidden = shown;
    this.tableToggle.update(this.toggleLook(shown));
    if (shown) this.drawTables();
  }

  private readonly tableViews: TableView[] = [];

  private drawTables(): void {
    const tables = this.content?.tables() ?? [];
    while (this.tableViews.length < tables.length) {
      const view = new TableView();
      this.tableViews.push(view);
      this.tables.append(view.element);
    }
    this.tableViews.forEach((view, i) => {
      const table = tables[i];
      view.element.hidden = table === undefined;
      if (table) view.update(table);
    });
  }

  private async export(format: 'svg' | 'png'): Promise<void> {
    if (!this.content) return;
    const { content } = this;
    // A saved picture has a size of its own, so that it does not depend on how wide the panel happens to be.
    const source = toSvg(content, 720, this.element);
    this.save(
      format === 'svg'
        ? { suggestedName: `${content.fileName}.svg`, content: source, encoding: 'utf8' }
        : { suggestedName: `${content.fileName}.png`, content: await toPng(source), encoding: 'base64' },
    );
  }
}
