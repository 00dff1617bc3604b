import type { WorkProgress } from '../../src/protocol/engine.js';
import type { CheckpointAction } from '../../src/protocol/panels/shared.js';
import type { TensorStatistics, TensorsView, TensorValue } from '../../src/protocol/panels/tensors.js';
import { Chart, type FileToSave } from '../shared/chart/chart.js';
import { checkpointActionLooks as looks } from '../shared/checkpointActions.js';
import { type ButtonControl, button } from '../shared/controls.js';
import { html, setText } from '../shared/dom.js';
import { baseName, count } from '../shared/format.js';
import { block, buildFrame } from '../shared/frame.js';
import { Listbox } from '../shared/listbox.js';
import { ErrorBlock, ProgressBlock } from '../shared/message.js';
import { histogramContent, shapeText, size, statisticsFacts, valuesOf } from './content.js';
import { PageView } from './page.js';
import { type SharedTensor, tensorRow } from './row.js';

/** What the editor asks for. */
export interface TensorsActions {
  page(place: {
    tensor: string;
    leading: number[];
    row: number;
    column: number;
  }): Promise<readonly (readonly TensorValue[])[]>;
  statistics(
    tensor: string,
    options: { readonly signal: AbortSignal; readonly onProgress: (progress: WorkProgress) => void },
  ): Promise<TensorStatistics>;
  act(action: CheckpointAction): void;
  openConfig(): void;
  saveFile(file: FileToSave): void;
  /** Keep the chosen tensor for a restored editor. */
  selectionChanged(tensor: string): void;
}

type Full = Extract<TensorsView, { status: 'full' }>;

/** The editor of a safetensors file on the page. */
export class TensorsPanel {
  private readonly frame = buildFrame('Tensors');
  private readonly error = new ErrorBlock();
  private readonly failure = new ErrorBlock();
  private readonly progress = new ProgressBlock(() => this.working?.abort());
  private readonly actionButtons: ReadonlyMap<CheckpointAction, ButtonControl>;
  private readonly list: Listbox<SharedTensor>;
  private readonly title = html('h2', { class: 'tensor-name' });
  private readonly form = html('p', { class: 'note' });
  private readonly page: PageView;
  private readonly compute: ButtonControl;
  private readonly numbers = html('dl', { class: 'facts' });
  private readonly chart: Chart;
  private readonly metadata = html('dl', { class: 'facts' });
  private readonly noMetadata = html('p', { class: 'note' }, 'The file has none.');
  private readonly config = html('pre', { class: 'config', tabindex: 0 });
  private readonly openConfig: ButtonControl;
  private readonly configBlock: HTMLElement;
  private view: Full | undefined;
  private selected: string | undefined;
  private working: AbortController | undefined;
  private readonly known = new Map<string, TensorStatistics>();

  constructor(private readonly actions: TensorsActions) {
    const { frame } = this;
    this.actionButtons = new Map(
      (Object.keys(looks) as CheckpointAction[]).map((action) => [
        action,
        button({ ...looks[action], hidden: true }, () => actions.act(action)),
      ]),
    );
    this.list = new Listbox<SharedTensor>({
      label: 'Tensors',
      keyOf: ({ name }) => name,
      createRow: tensorRow,
      choose: (name) => this.select(name),
    });
    this.page = new PageView(actions.page, (thrown) => this.showFailure(thrown));
    this.compute = button(
      { label: 'Compute Statistics', icon: 'symbol-numeric' },
      () => void this.computeStatistics(),
    );
    this.chart = new Chart((file) => actions.saveFile(file));
    this.openConfig = button({ label: 'Open Config', icon: 'go-to-file' }, () => actions.openConfig());
    this.configBlock = block('Config it was trained from', this.config, this.openConfig.element);
    frame.actions.append(...[...this.actionButtons.values()].map(({ element }) => element));
    frame.notices.append(this.progress.element, this.error.element, this.failure.element);
    frame.list.append(this.list.element);
    frame.hero.append(this.title, this.form, this.page.element);
    frame.evidence.append(
      html(
        'div',
        { class: 'column' },
        block('Statistics', this.compute.element, this.numbers),
        this.chart.element,
      ),
      html('div', { class: 'column' }, block('Metadata', this.metadata, this.noMetadata), this.configBlock),
    );
    frame.content.hidden = true;
    frame.setTrail(['Tensors']);
  }

  /** Show a whole snapshot. */
  show(view: TensorsView): void {
    this.known.clear();
    this.working?.abort();
    if (view.status === 'error') {
      this.error.show(view.error);
      this.view = undefined;
      this.frame.content.hidden = true;
      for (const [action, { update }] of this.actionButtons) update({ ...looks[action], hidden: true });
      return;
    }
    this.error.hide();
    this.view = view;
    this.frame.content.hidden = false;
    const values = view.tensors.reduce((sum, tensor) => sum + valuesOf(tensor), 0);
    const many = view.tensors.length + view.unlisted;
    this.frame.setTrail([
      baseName(view.file),
      `${size(view.bytes)} · ${count(many)} ${many === 1 ? 'tensor' : 'tensors'} · ${count(values)} values${view.unlisted > 0 ? ` in the ${count(view.tensors.length)} listed` : ''}`,
    ]);
    for (const [action, { update }] of this.actionButtons)
      update({ ...looks[action], hidden: !view.actions.includes(action) });
    this.metadata.replaceChildren(...facts(view.metadata.map(({ name, value }) => [name, value] as const)));
    this.noMetadata.hidden = view.metadata.length > 0;
    this.configBlock.hidden = view.configText === undefined;
    setText(this.config, view.configText ?? '');
    this.draw();
  }

  /** Choose a tensor by its name. */
  select(name: string): void {
    if (name !== this.selected) {
      this.selected = name;
      this.working?.abort();
      this.actions.selectionChanged(name);
    }
    this.draw();
  }

  /** A request failed; the rest stays. */
  showFailure(thrown: unknown): void {
    this.failure.showThrown(thrown);
  }

  private get tensor() {
    return this.view?.tensors.find(({ name }) => name === this.selected) ?? this.view?.tensors[0];
  }

  private draw(): void {
    const { view, tensor } = this;
    if (view === undefined) return;
    const all = view.tensors.reduce((sum, { bytes }) => sum + bytes, 0);
    this.list.update(
      view.tensors.map((one) => ({ ...one, share: all > 0 ? one.bytes / all : 0 })),
      tensor?.name,
    );
    this.frame.hero.hidden = tensor === undefined;
    if (tensor === undefined) return;
    setText(this.title, tensor.name);
    setText(
      this.form,
      `${tensor.dtype} · ${shapeText(tensor.shape)} · ${count(valuesOf(tensor))} values · ${size(tensor.bytes)}`,
    );
    this.page.show(tensor);
    this.drawStatistics();
  }

  private drawStatistics(): void {
    const { view, tensor } = this;
    if (view === undefined || tensor === undefined) return;
    const statistics = this.known.get(tensor.name);
    this.compute.element.hidden = statistics !== undefined;
    this.numbers.replaceChildren(...(statistics === undefined ? [] : facts(statisticsFacts(statistics))));
    this.chart.element.hidden = statistics?.finite === undefined;
    if (statistics?.finite) this.chart.update(histogramContent(view.file, tensor, statistics.finite));
  }

  private async computeStatistics(): Promise<void> {
    const { tensor } = this;
    if (tensor === undefined) return;
    const abort = new AbortController();
    this.working?.abort();
    this.working = abort;
    this.progress.show(`Statistics of ${tensor.name}`, '', 0, 1);
    try {
      const statistics = await this.actions.statistics(tensor.name, {
        signal: abort.signal,
        onProgress: ({ activity, done, total }) => {
          if (this.working === abort && !abort.signal.aborted)
            this.progress.show(activity, `${count(done)} of ${count(total)}`, done, total);
        },
      });
      if (!abort.signal.aborted) this.known.set(tensor.name, statistics);
    } catch (thrown) {
      if (!abort.signal.aborted) this.showFailure(thrown);
    } finally {
      if (this.working === abort) {
        this.progress.hide();
        this.drawStatistics();
      }
    }
  }
}

function facts(rows: readonly (readonly [name: string, value: string])[]): readonly HTMLElement[] {
  return rows.map(([name, value]) => html('div', {}, html('dt', {}, name), html('dd', {}, value)));
}
