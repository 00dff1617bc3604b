import type { BehaviourComparison } from '../../src/core/comparison/comparison.js';
import type { Comparison, DiffView } from '../../src/protocol/panels/diff.js';
import { Chart, type FileToSave } from '../shared/chart/chart.js';
import { type ButtonControl, button, picker } from '../shared/controls.js';
import { html, setText } from '../shared/dom.js';
import { count, fileSafe } from '../shared/format.js';
import { block, buildFrame } from '../shared/frame.js';
import { Listbox } from '../shared/listbox.js';
import { EmptyState, ErrorBlock, ProgressBlock } from '../shared/message.js';
import { TableView } from '../shared/table.js';
import { alignmentContent } from './alignment.js';
import { configTable, filtersTable, flipsSentence, metricsTable, trail } from './content.js';
import { densitiesContent } from './densities.js';
import { flipsContent } from './flips.js';
import { heroContent } from './hero.js';
import { listLayers, type Order, orders } from './order.js';
import { layerRow, type ScaledLayer } from './row.js';

/** What the panel asks for; failures come back through `showFailure`. */
export interface DiffActions {
  swap(): void;
  openConfigDiff(): void;
  inspect(side: 'a' | 'b'): void;
  pick(): void;
  cancel(): void;
  retry(): void;
  saveFile(file: FileToSave): void;
  /** The selection changed: keep it for a restored panel. */
  selectionChanged(layer: string): void;
}

const title = 'A ↔ B';

/** The diff panel on the page. */
export class DiffPanel {
  private readonly frame = buildFrame('Layers');
  private readonly empty = new EmptyState();
  private readonly progress: ProgressBlock;
  private readonly error = new ErrorBlock();
  private readonly failure = new ErrorBlock();
  private readonly buttons: readonly ButtonControl[];
  private readonly order = picker('Sort by', (value) => {
    this.sorting = orders.find((one) => one.value === value)?.value ?? 'movement';
    this.draw();
  });
  private readonly list: Listbox<ScaledLayer>;
  private readonly config = new TableView();
  private readonly sameConfig = html('p', { class: 'note' }, 'The configs are the same, field by field.');
  private readonly configDiff: ButtonControl;
  private readonly metrics = new TableView();
  private readonly hero: Chart;
  private readonly flips: Chart;
  private readonly flipsWords = html('p', { class: 'flips-words' });
  private readonly noBehaviour = html('p', { class: 'note' });
  private readonly filters = new TableView({ sortable: true });
  private readonly filtersTitle: HTMLElement;
  private readonly filtersNote = html('p', { class: 'note' });
  private readonly densities: Chart;
  private readonly noDensities = html('p', { class: 'note' });
  private readonly alignment: Chart;
  private comparison: Comparison | undefined;
  private selected: string | undefined;
  private sorting: Order = 'movement';

  constructor(private readonly actions: DiffActions) {
    this.progress = new ProgressBlock(() => actions.cancel());
    const chart = (): Chart => new Chart((file) => actions.saveFile(file));
    [this.hero, this.flips, this.densities, this.alignment] = [chart(), chart(), chart(), chart()];
    this.buttons = [
      button(
        { label: 'Swap', icon: 'arrow-swap', appearance: 'icon', description: 'Swap A and B', hidden: true },
        () => actions.swap(),
      ),
      button(
        {
          label: 'Layers of A',
          icon: 'layers',
          appearance: 'icon',
          description: 'Inspect the layers of A',
          hidden: true,
        },
        () => actions.inspect('a'),
      ),
      button(
        {
          label: 'Layers of B',
          icon: 'layers',
          appearance: 'icon',
          description: 'Inspect the layers of B',
          hidden: true,
        },
        () => actions.inspect('b'),
      ),
      button(
        {
          label: 'Export',
          icon: 'export',
          appearance: 'icon',
          description: 'Export the whole comparison as JSON',
          hidden: true,
        },
        () => this.exportNumbers(),
      ),
    ];
    this.configDiff = button({ label: 'Open Configs Side by Side', icon: 'diff' }, () =>
      actions.openConfigDiff(),
    );
    this.list = new Listbox<ScaledLayer>({
      label: 'Layers',
      keyOf: ({ key }) => key,
      createRow: layerRow,
      choose: (key) => this.select(key),
    });
    const filters = block('Filters', this.filtersNote, this.filters.element);
    this.filtersTitle = filters.querySelector('h2')!;
    const { frame } = this;
    frame.actions.append(this.order.element, ...this.buttons.map(({ element }) => element));
    frame.notices.append(this.progress.element, this.error.element, this.failure.element, this.empty.element);
    frame.list.append(this.list.element);
    frame.hero.append(
      html(
        'div',
        { class: 'overview' },
        block('Config', this.sameConfig, this.config.element, this.configDiff.element),
        block('Metrics', this.metrics.element),
      ),
      html(
        'div',
        { class: 'moved' },
        this.hero.element,
        html('div', { class: 'flips' }, this.noBehaviour, this.flips.element, this.flipsWords),
      ),
    );
    frame.evidence.append(
      html('div', { class: 'wide' }, this.noDensities, this.densities.element),
      html('div', { class: 'wide' }, filters),
      html('div', { class: 'wide' }, this.alignment.element),
    );
    frame.content.hidden = true;
    frame.setTrail([title]);
  }

  /** Show a whole snapshot. */
  show(view: DiffView): void {
    if (view.status !== 'empty') this.empty.hide();
    const loading = view.status === 'loading';
    this.frame.content.classList.toggle('dimmed', loading);
    this.frame.content.setAttribute('aria-busy', String(loading));
    switch (view.status) {
      case 'empty':
        this.showComparison(undefined);
        this.frame.setTrail([title]);
        this.progress.hide();
        this.error.hide();
        this.empty.show(view.message, { label: 'Compare Checkpoints…', act: () => this.actions.pick() });
        break;
      case 'loading':
        this.showComparison(view.previous);
        this.error.hide();
        this.frame.setTrail([`A ${view.a}`, `B ${view.b}`, 'comparing']);
        this.showProgress(view.progress);
        break;
      case 'error':
        this.showComparison(view.previous);
        if (!view.previous) this.frame.setTrail([title]);
        this.progress.hide();
        this.error.show(view.error, { look: { label: 'Try again' }, act: () => this.actions.retry() });
        break;
      case 'full':
        this.showFull(view.comparison);
        break;
    }
  }

  /** Select a layer by its key. */
  select(key: string): void {
    if (key !== this.selected) {
      this.selected = key;
      this.actions.selectionChanged(key);
    }
    this.draw();
  }

  /** A request failed; the picture stays. */
  showFailure(thrown: unknown): void {
    this.failure.showThrown(thrown);
  }

  private showFull(comparison: Comparison): void {
    const { behaviour } = comparison;
    if (behaviour.status === 'loading') this.showProgress(behaviour.progress);
    else this.progress.hide();
    if (behaviour.status === 'error')
      this.error.show(behaviour.error, { look: { label: 'Try again' }, act: () => this.actions.retry() });
    else this.error.hide();
    this.showComparison(comparison);
  }

  private showProgress({ activity, done, total }: { activity: string; done: number; total: number }): void {
    this.progress.show(activity, `${count(done)} of ${count(total)}`, done, total);
  }

  private showComparison(comparison: Comparison | undefined): void {
    this.comparison = comparison;
    this.frame.content.hidden = comparison === undefined;
    for (const { element } of this.buttons) element.hidden = comparison === undefined;
    this.order.update(orders, this.sorting, comparison === undefined);
    if (comparison === undefined) return;
    this.frame.setTrail(trail(comparison.weights, behaviourOf(comparison)));
    this.draw();
  }

  private draw(): void {
    const { comparison } = this;
    if (comparison === undefined) return;
    const { weights } = comparison;
    const behaviour = behaviourOf(comparison);
    const listed = listLayers(weights, this.sorting);
    const selected = listed.find(({ key }) => key === this.selected) ?? listed[0];
    const medians = (kind: 'rescaling' | 'rotation'): number[] =>
      listed.flatMap(({ layer }) => layer?.[kind]?.median ?? []);
    const widestRescaling = Math.max(0.01, ...medians('rescaling').map(Math.abs));
    const furthestRotation = Math.max(1, ...medians('rotation'));
    this.list.update(
      listed.map((layer) => ({ ...layer, widestRescaling, furthestRotation })),
      selected?.key,
    );
    const changes = weights.config.length;
    this.sameConfig.hidden = changes > 0;
    this.config.element.hidden = changes === 0;
    this.configDiff.element.hidden = changes === 0;
    this.config.update(configTable(weights));
    this.metrics.update(metricsTable(weights, behaviour));
    this.hero.update(heroContent(weights, listed, selected?.key));
    this.drawBehaviour(comparison, behaviour, selected?.key);
    const layer = selected?.layer;
    setText(this.filtersTitle, `Filters of ${selected?.name ?? ''}`);
    this.filters.element.hidden = layer?.filters === undefined;
    this.filtersNote.hidden = layer?.filters !== undefined;
    setText(
      this.filtersNote,
      `Their weights cannot be compared: ${selected?.reason ?? 'there is no layer'}.`,
    );
    if (layer) this.filters.update(filtersTable(layer));
  }

  private drawBehaviour(
    { weights, behaviour: state }: Comparison,
    behaviour: BehaviourComparison | undefined,
    selected: string | undefined,
  ): void {
    const flipped = behaviour ? behaviour.flips.fixed + behaviour.flips.broken : 0;
    this.flips.element.hidden = flipped === 0;
    this.flipsWords.hidden = behaviour === undefined;
    this.noBehaviour.hidden = behaviour !== undefined;
    this.alignment.element.hidden = behaviour === undefined;
    const layer = behaviour?.layers.find(({ a }) => a === selected);
    this.densities.element.hidden = layer === undefined;
    this.noDensities.hidden = layer !== undefined || behaviour === undefined;
    const why = {
      loading: 'Predictions, norms and angles come as soon as both networks have been run.',
      error: 'The networks could not be run; the weights above are compared all the same.',
      none: state.status === 'none' ? state.reason : '',
      full: '',
    }[state.status];
    setText(this.noBehaviour, why);
    setText(
      this.noDensities,
      'This layer has no counterpart whose norms and angles it could be compared with.',
    );
    if (behaviour === undefined) return;
    this.flips.update(flipsContent(weights, behaviour));
    const other = behaviour.otherData;
    const foreign =
      other === undefined ? '' : ` B was trained on other data (${other}), and is run on A’s here.`;
    setText(this.flipsWords, flipsSentence(behaviour) + foreign);
    this.alignment.update(alignmentContent(weights, behaviour));
    if (layer) this.densities.update(densitiesContent(weights, behaviour, layer));
  }

  private exportNumbers(): void {
    if (!this.comparison) return;
    const { weights } = this.comparison;
    const behaviour = behaviourOf(this.comparison);
    this.actions.saveFile({
      suggestedName: `${fileSafe(`${weights.a.name}-${weights.b.name}-comparison`)}.json`,
      content: `${JSON.stringify({ weights, behaviour }, undefined, 2)}\n`,
      encoding: 'utf8',
    });
  }
}

function behaviourOf({ behaviour }: Comparison): BehaviourComparison | undefined {
  return behaviour.status === 'full' ? behaviour.behaviour : undefined;
}
