import type { Inspection } from '../../src/core/statistics/inspection.js';
import type { WorkProgress } from '../../src/protocol/engine.js';
import type { Epoch } from '../../src/protocol/panels/layer.js';
import { Chart, type FileToSave } from '../shared/chart/chart.js';
import { button } from '../shared/controls.js';
import { html, setAttributes, setText } from '../shared/dom.js';
import { checkpointName, count } from '../shared/format.js';
import { block } from '../shared/frame.js';
import { ProgressBlock } from '../shared/message.js';
import { ridgesContent } from './ridges.js';

export interface EpochActions {
  epochs(layer: string): Promise<readonly Epoch[]>;
  measureEpochs(signal: AbortSignal, onProgress: (progress: WorkProgress) => void): Promise<unknown>;
  openCheckpoint(checkpoint: string): void;
  saveFile(file: FileToSave): void;
  failed(thrown: unknown): void;
}

/** A slider over the run's checkpoints, and the selected layer in each of them. */
export class EpochsBlock {
  readonly element: HTMLElement;
  private readonly slider = html('input', { type: 'range', min: 0, step: 1, 'aria-label': 'Checkpoint' });
  private readonly chosen = html('output', {});
  private readonly teach = html('p', { class: 'note' });
  private readonly measure = button({ label: 'Measure them' }, () => void this.measureAll());
  private readonly progress = new ProgressBlock(() => this.abort?.abort());
  private readonly chart: Chart;
  private epochs: readonly Epoch[] = [];
  private inspection: Inspection | undefined;
  private layer = '';
  private asked = '';
  private abort: AbortController | undefined;

  constructor(private readonly actions: EpochActions) {
    this.chart = new Chart((file) => actions.saveFile(file));
    this.element = block(
      'Over the run',
      html('label', { class: 'epoch-slider' }, html('span', {}, 'checkpoint'), this.slider, this.chosen),
      html('div', { class: 'teach' }, this.teach, this.measure.element),
      this.progress.element,
      this.chart.element,
    );
    this.element.classList.add('wide');
    this.slider.addEventListener('input', () => this.say(Number(this.slider.value)));
    this.slider.addEventListener('change', () => {
      const epoch = this.epochs[Number(this.slider.value)];
      if (epoch) actions.openCheckpoint(epoch.checkpoint);
    });
  }

  update(inspection: Inspection, layer: string): void {
    this.inspection = inspection;
    this.layer = layer;
    const key = `${inspection.checkpointSha256} ${inspection.checkpoint} ${layer}`;
    if (key !== this.asked) {
      this.asked = key;
      void this.refresh();
    } else this.draw();
  }

  private async refresh(): Promise<void> {
    const { asked, layer } = this;
    try {
      const epochs = await this.actions.epochs(layer);
      if (asked !== this.asked) return;
      this.epochs = epochs;
      this.draw();
    } catch (thrown) {
      this.actions.failed(thrown);
    }
  }

  private draw(): void {
    const { inspection, epochs } = this;
    this.element.hidden = epochs.length < 2;
    if (!inspection || epochs.length < 2) return;
    const at = epochs.findIndex(
      ({ checkpoint }) => checkpointName(checkpoint) === checkpointName(inspection.checkpoint),
    );
    setAttributes(this.slider, { max: epochs.length - 1 });
    this.slider.value = String(Math.max(0, at));
    this.say(Math.max(0, at));
    const missing = epochs.filter(({ layer }) => layer === undefined).length;
    const isMeasuring = this.abort !== undefined;
    this.teach.hidden = missing === 0 || isMeasuring;
    setText(
      this.teach,
      `${count(missing)} of ${count(epochs.length)} checkpoints are not measured yet; measured, they show how this layer came to be.`,
    );
    this.measure.update({ label: 'Measure them', hidden: missing === 0 || isMeasuring });
    const content = ridgesContent(inspection, this.layer, epochs);
    this.chart.element.hidden = content === undefined;
    if (content) this.chart.update(content);
  }

  private say(at: number): void {
    const name = this.epochs[at]?.name ?? '';
    setText(this.chosen, `${name}, ${at + 1} of ${this.epochs.length}`);
    setAttributes(this.slider, { 'aria-valuetext': name });
  }

  private async measureAll(): Promise<void> {
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.draw();
    this.progress.show('Starting', '', undefined, 0);
    let measured = '';
    try {
      await this.actions.measureEpochs(signal, ({ activity, done, total }) => {
        this.progress.show(activity, `${count(done)} of ${count(total)}`, done, total);
        if (measured !== activity) void this.refresh();
        measured = activity;
      });
    } catch (thrown) {
      if (!signal.aborted) this.actions.failed(thrown);
    } finally {
      this.abort = undefined;
      this.progress.hide();
      await this.refresh();
    }
  }
}
