import type { Inspection, LayerInspection } from '../../src/core/statistics/inspection.js';
import type { FilterAngles } from '../../src/protocol/engine.js';
import { Chart, type FileToSave } from '../shared/chart/chart.js';
import { button } from '../shared/controls.js';
import { html, setText } from '../shared/dom.js';
import { count, percent, short } from '../shared/format.js';
import { block } from '../shared/frame.js';
import { TableView } from '../shared/table.js';
import { filterTable } from './content.js';
import { matrixContent } from './matrix.js';

export interface FilterActions {
  choose(filter: number | undefined): void;
  filterAngles(layer: string): Promise<FilterAngles>;
  saveFile(file: FileToSave): void;
  failed(thrown: unknown): void;
}

/** The filters: a table to search, sort and choose from, how they crowd, and the angles between them. */
export class FiltersBlock {
  readonly parts: readonly HTMLElement[];
  private readonly search = html('input', {
    type: 'search',
    placeholder: 'Number, or dead > 50, k < 0.4 …',
    'aria-label': 'Search filters',
  });
  private readonly facts = html('p', { class: 'note' });
  private readonly table: TableView;
  private readonly none = html('p', { class: 'note', role: 'status', hidden: true });
  private readonly ask = button({ label: 'Show the angles between filters' }, () => {
    this.wanted = true;
    this.draw();
  });
  private readonly teach: HTMLElement;
  private readonly chart: Chart;
  private rows: readonly number[] = [];
  private shown: { readonly key: string; readonly angles: FilterAngles } | undefined;
  private pending = '';
  private wanted = false;
  private inspection: Inspection | undefined;
  private layer: LayerInspection | undefined;
  private filter: number | undefined;

  constructor(private readonly actions: FilterActions) {
    this.table = new TableView({
      sortable: true,
      choose: (row) => actions.choose(row === undefined ? undefined : this.rows[row]),
    });
    this.chart = new Chart((file) => actions.saveFile(file));
    this.teach = html(
      'div',
      { class: 'teach' },
      html('p', { class: 'note' }, 'A matrix shows which filters point the same way, and so say the same.'),
      this.ask.element,
    );
    this.parts = [
      block('Filters', this.facts, this.search, this.table.element, this.none),
      block('How filters stand to each other', this.teach, this.chart.element),
    ];
    for (const part of this.parts) part.classList.add('wide');
    this.search.addEventListener('input', () => this.draw());
  }

  update(inspection: Inspection, layer: LayerInspection, filter: number | undefined): void {
    this.inspection = inspection;
    this.layer = layer;
    this.filter = filter;
    this.draw();
  }

  private draw(): void {
    const { inspection, layer, filter } = this;
    if (!inspection || !layer) return;
    setText(this.facts, facts(layer));
    this.rows = searchFilters(layer, this.search.value);
    const chosen = filter === undefined ? -1 : this.rows.indexOf(filter);
    this.table.update(filterTable(layer, this.rows), chosen < 0 ? undefined : chosen);
    this.table.element.hidden = this.rows.length === 0;
    this.none.hidden = this.rows.length > 0;
    setText(
      this.none,
      `No filter fits. Search for a number, or for a column with < or >, such as “‖w‖ > 1” or “dead > 50”.`,
    );
    const parts = this.parts[1]!;
    parts.hidden = layer.filters < 2;
    this.teach.hidden = this.wanted;
    const key = `${inspection.checkpoint} ${layer.name}`;
    const isShown = this.shown?.key === key;
    this.chart.element.hidden = !this.wanted || !isShown;
    if (isShown) this.chart.update(matrixContent(inspection, layer, this.shown!.angles, filter));
    else if (this.wanted && layer.filters > 1 && this.pending !== key) void this.load(key, layer.name);
  }

  private async load(key: string, layer: string): Promise<void> {
    this.pending = key;
    try {
      const angles = await this.actions.filterAngles(layer);
      if (this.pending !== key) return;
      this.shown = { key, angles };
      this.draw();
    } catch (thrown) {
      this.wanted = false;
      this.pending = '';
      this.draw();
      this.actions.failed(thrown);
    }
  }
}

function facts(layer: LayerInspection): string {
  const { filters, energy, nearestAngles, deadShares } = layer;
  const dead = deadShares.filter((share) => share >= 0.999).length;
  const least = Math.min(...nearestAngles);
  const response = layer.silent === 0 ? 'answer 0' : `answer no more than ${short(layer.silent)} in size`;
  return [
    `${count(filters)} filters; ${dead === 0 ? 'none is dead' : `${count(dead)} are dead`} (they ${response} to ${percent(0.999)} of the patches or more).`,
    ...(energy === undefined
      ? []
      : [
          `Smallest angle between two: ${least.toFixed(1)}°. Hyperspherical energy (s = 2, mean over pairs): ${short(energy)}; 0.5 where all stand at right angles.`,
        ]),
  ].join(' ');
}

/** Filters by number (`12`), or by a column: `dead > 50`, `k < 0.4`. */
function searchFilters(layer: LayerInspection, text: string): readonly number[] {
  const all = Array.from({ length: layer.filters }, (_, i) => i);
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return all;
  const condition = /^(.+?)\s*([<>])\s*(-?[\d.]+)\s*[%°]?$/.exec(wanted);
  if (condition === null) return all.filter((filter) => String(filter).startsWith(wanted));
  const [, name, sign, limit] = condition as unknown as [string, string, string, string];
  const { columns, rows } = filterTable(layer, all);
  const column = columns.findIndex(
    ({ label }) => label.toLowerCase().replaceAll('‖', '') === name.replaceAll('‖', ''),
  );
  if (column < 0) return [];
  const isShare = columns[column]!.label === 'dead';
  return all.filter((filter) => {
    const value = Number(rows[filter]![column]!.value) * (isShare ? 100 : 1);
    return sign === '<' ? value < Number(limit) : value > Number(limit);
  });
}
