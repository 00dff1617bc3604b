import type { ErrorDetails } from '../../src/core/errors.js';
import { isOver } from '../../src/core/run/run.js';
import type { TrainingView } from '../../src/protocol/panels/training.js';
import { Chart, type FileToSave } from '../shared/chart/chart.js';
import { type ButtonControl, button } from '../shared/controls.js';
import { html, setText } from '../shared/dom.js';
import { count, duration } from '../shared/format.js';
import { block, buildFrame } from '../shared/frame.js';
import { Listbox } from '../shared/listbox.js';
import { ErrorBlock, ProgressBlock } from '../shared/message.js';
import { TableView } from '../shared/table.js';
import { goOnChoice, inspectChoice, type RunRequest, stopChoice } from './buttons.js';
import {
  accuracyNote,
  epochsTable,
  type Fact,
  facts,
  heroContent,
  layersTable,
  runtimeNote,
  trail,
} from './content.js';
import { healthRow } from './row.js';
import { type LayerHistory, type Series, toSeries } from './series.js';

/** What the panel asks for; failures come back through `showFailure`. */
export interface TrainingActions {
  run(request: RunRequest): void;
  revealConfig(): void;
  saveFile(file: FileToSave): void;
  /** The chosen layer changed: keep it for a restored panel. */
  selectionChanged(layer: string): void;
}

/** The training panel on the page. */
export class TrainingPanel {
  private readonly frame = buildFrame('Decoupled layers');
  private readonly progress = new ProgressBlock();
  private readonly error = new ErrorBlock();
  private readonly failure = new ErrorBlock();
  private readonly facts = html('dl', { class: 'run-facts' });
  private readonly factNote = html('p', { class: 'note fact-note', hidden: true });
  private readonly runtimeNote = html('p', { class: 'note runtime-note', hidden: true });
  private readonly waiting = html('p', { class: 'note waiting' });
  private readonly listWaiting = html('p', { class: 'note list-waiting' });
  private readonly goOn: ButtonControl;
  private readonly stop: ButtonControl;
  private readonly inspect: ButtonControl;
  private readonly list: Listbox<LayerHistory>;
  private readonly chart: Chart;
  private readonly layersTable = new TableView();
  private readonly epochsTable = new TableView();
  private readonly evidence: readonly HTMLElement[];
  private view: TrainingView | undefined;
  private series: Series = { steps: [], epochs: [], layers: [] };
  private selected: string | undefined;
  private factsKey = '';

  constructor(private readonly actions: TrainingActions) {
    const press = (choose: () => { readonly request: RunRequest } | undefined) => () => {
      const choice = choose();
      if (choice) actions.run(choice.request);
    };
    const state = () => this.view?.state;
    const hidden = { label: 'Run', hidden: true };
    this.goOn = button(
      hidden,
      press(() => withState(state(), goOnChoice)),
    );
    this.stop = button(
      hidden,
      press(() => withState(state(), stopChoice)),
    );
    this.inspect = button(hidden, () => actions.run('inspect'));
    const config = button(
      { label: 'Config', icon: 'go-to-file', appearance: 'icon', description: 'Reveal the run’s config' },
      () => actions.revealConfig(),
    );
    this.list = new Listbox<LayerHistory>({
      label: 'Decoupled layers',
      keyOf: (layer) => layer.name,
      createRow: healthRow,
      choose: (layer) => {
        this.select(layer);
        actions.selectionChanged(layer);
      },
    });
    this.chart = new Chart((file) => actions.saveFile(file));
    this.evidence = [block('Layers', this.layersTable.element), block('Epochs', this.epochsTable.element)];
    const { frame } = this;
    frame.actions.append(this.goOn.element, this.stop.element, this.inspect.element, config.element);
    frame.notices.append(this.progress.element, this.error.element, this.failure.element);
    frame.list.append(this.list.element, this.listWaiting);
    frame.hero.append(this.facts, this.factNote, this.runtimeNote, this.waiting, this.chart.element);
    frame.evidence.append(...this.evidence);
    frame.content.hidden = true;
    frame.setTrail(['Training']);
  }

  /** Show a whole snapshot. */
  show(view: TrainingView): void {
    this.view = view;
    this.series = toSeries(view.metrics);
    this.frame.setTrail(trail(view));
    this.frame.content.hidden = false;
    this.drawButtons(view);
    this.drawProgress(view);
    this.drawFacts(facts(view, this.series));
    showNote(this.factNote, accuracyNote(view));
    showNote(this.runtimeNote, runtimeNote(view));
    if (view.state.error) {
      this.error.show(view.state.error, {
        look: { label: 'Open the config' },
        act: () => this.actions.revealConfig(),
      });
    } else this.error.hide();
    this.drawSeries();
  }

  select(layer: string): void {
    this.selected = layer;
    if (this.view) this.drawSeries();
  }

  /** Something failed beside the run itself; what is shown stays. */
  showFailed(error: ErrorDetails): void {
    this.failure.show(error, {
      look: { label: 'Dismiss', icon: 'close', iconOnly: true, appearance: 'icon' },
      act: () => this.failure.hide(),
    });
  }

  showFailure(thrown: unknown): void {
    this.failure.showThrown(thrown);
  }

  private drawButtons({ state, summary }: TrainingView): void {
    const hasCheckpoint = this.series.epochs.length > 0 || summary?.checkpoint !== undefined;
    const choices = [
      [this.goOn, goOnChoice(state)],
      [this.stop, stopChoice(state)],
      [this.inspect, inspectChoice(state, hasCheckpoint)],
    ] as const;
    for (const [control, choice] of choices) control.update(choice?.look ?? { label: 'Run', hidden: true });
  }

  private drawProgress({ state }: TrainingView): void {
    if (isOver(state.status)) {
      this.progress.hide();
      return;
    }
    const activity = {
      queued:
        state.queuePosition === undefined
          ? 'Waits for another run'
          : `Waits in the queue at place ${state.queuePosition}`,
      preparing: state.reading === undefined ? 'Reading the data and building the network' : 'Reading images',
      running: 'Training',
      paused: 'Paused: holds after this step',
    }[state.status as 'queued' | 'preparing' | 'running' | 'paused'];
    const left = state.secondsLeft === undefined ? '' : ` · ${duration(state.secondsLeft)} left`;
    const counted = `${count(state.step)} of ${count(state.totalSteps)} steps${left}`;
    if (state.status !== 'preparing') this.progress.show(activity, counted, state.step, state.totalSteps);
    else if (state.reading === undefined) this.progress.show(activity, '', undefined, 0);
    else {
      const { done, total } = state.reading;
      this.progress.show(activity, `${count(done)} of ${count(total)}`, done, total);
    }
  }

  private drawFacts(list: readonly Fact[]): void {
    const key = JSON.stringify(list);
    if (key === this.factsKey) return;
    this.factsKey = key;
    this.facts.replaceChildren(
      ...list.map(({ name, value }) =>
        html('div', {}, html('dt', {}, name), html('dd', { 'data-fact': name }, value)),
      ),
    );
  }

  private drawSeries(): void {
    const { view, series } = this;
    if (!view) return;
    const layer = series.layers.find(({ name }) => name === this.selected) ?? series.layers[0];
    const nothing = series.steps.length === 0 && series.epochs.length === 0;
    const over = isOver(view.state.status);
    this.waiting.hidden = !nothing;
    setText(
      this.waiting,
      over
        ? 'This run ended before its first numbers.'
        : 'The curves start with the first numbers, after a few steps.',
    );
    this.chart.element.hidden = nothing;
    this.list.element.hidden = series.layers.length === 0;
    this.listWaiting.hidden = series.layers.length > 0;
    setText(
      this.listWaiting,
      series.epochs.length === 0
        ? 'Decoupled layers show here after the first epoch.'
        : 'This network has no decoupled layer.',
    );
    this.list.update(series.layers, layer?.name);
    this.chart.update(heroContent(view, series, layer));
    this.evidence[0]!.hidden = series.layers.length === 0;
    this.evidence[1]!.hidden = series.epochs.length === 0;
    this.frame.evidence.hidden = series.epochs.length === 0;
    this.layersTable.update(layersTable(series));
    this.epochsTable.update(epochsTable(series));
  }
}

function showNote(element: HTMLElement, note: string | undefined): void {
  element.hidden = note === undefined;
  setText(element, note ?? '');
}

function withState<S, T>(state: S | undefined, choose: (state: S) => T | undefined): T | undefined {
  return state === undefined ? undefined : choose(state);
}
