import type { Inspection, LayerInspection } from '../../src/core/statistics/inspection.js';
import type { LayerView } from '../../src/protocol/panels/layer.js';
import { Chart, type FileToSave } from '../shared/chart/chart.js';
import { type ButtonControl, button } from '../shared/controls.js';
import { count, fileSafe } from '../shared/format.js';
import { buildFrame } from '../shared/frame.js';
import { Listbox } from '../shared/listbox.js';
import { EmptyState, ErrorBlock, ProgressBlock } from '../shared/message.js';
import { checkpointName, heroContent, trail } from './content.js';
import { LayerEvidence } from './evidence.js';
import { layerRow } from './row.js';

/** What the panel asks for; failures come back through `showFailure`. */
export interface LayerActions {
  selectLayer(layer: string): void;
  setPinned(pinned: boolean): void;
  cancel(): void;
  retry(): void;
  runAction(command: 'train' | 'createSample'): void;
  saveFile(file: FileToSave): void;
  /** The selection changed, by whomever: keep it for a restored panel. */
  selectionChanged(layer: string): void;
}

/** The layer panel on the page. */
export class LayerPanel {
  private readonly frame = buildFrame('Layers');
  private readonly empty = new EmptyState();
  private readonly progress: ProgressBlock;
  private readonly error = new ErrorBlock();
  private readonly failure = new ErrorBlock();
  private readonly pin: ButtonControl;
  private readonly exportButton: ButtonControl;
  private readonly list: Listbox<LayerInspection>;
  private readonly chart: Chart;
  private readonly evidence: LayerEvidence;
  private inspection: Inspection | undefined;
  private selected: string | undefined;
  private filter: number | undefined;
  private pinned = false;

  constructor(private readonly actions: LayerActions) {
    this.progress = new ProgressBlock(() => actions.cancel());
    this.pin = button(this.pinLook(), () => {
      this.setPinned(!this.pinned);
      actions.setPinned(this.pinned);
    });
    this.exportButton = button(this.exportLook(false), () => this.exportNumbers());
    this.list = new Listbox<LayerInspection>({
      label: 'Layers',
      keyOf: (layer) => layer.name,
      createRow: layerRow,
      choose: (layer) => {
        this.select(layer);
        actions.selectLayer(layer);
      },
    });
    this.chart = new Chart((file) => actions.saveFile(file));
    this.evidence = new LayerEvidence((filter) => {
      this.filter = filter;
      this.drawLayer();
    });
    const { frame } = this;
    frame.actions.append(this.pin.element, this.exportButton.element);
    frame.notices.append(this.progress.element, this.error.element, this.failure.element, this.empty.element);
    frame.list.append(this.list.element);
    frame.hero.append(this.chart.element);
    frame.evidence.append(...this.evidence.parts);
    frame.content.hidden = true;
    frame.setTrail(['Layers']);
  }

  /** Show a whole snapshot. */
  show(view: LayerView): void {
    if (view.status !== 'loading') this.progress.hide();
    if (view.status !== 'error') this.error.hide();
    if (view.status !== 'empty') this.empty.hide();
    this.frame.content.classList.toggle('dimmed', view.status === 'loading');
    this.frame.content.setAttribute('aria-busy', String(view.status === 'loading'));
    switch (view.status) {
      case 'empty': {
        this.showInspection(undefined);
        this.frame.setTrail(['Layers']);
        const { command, label } = view.action;
        this.empty.show(view.message, { label, act: () => this.actions.runAction(command) });
        break;
      }
      case 'loading': {
        this.showInspection(view.previous);
        const { activity, done, total } = view.progress;
        this.frame.setTrail([
          ...(view.previous?.run === undefined ? [] : [view.previous.run]),
          checkpointName(view.checkpoint),
          view.previous ? `measuring; still shown: ${checkpointName(view.previous.checkpoint)}` : 'measuring',
        ]);
        this.progress.show(activity, `${count(done)} of ${count(total)}`, done, total);
        break;
      }
      case 'error':
        this.showInspection(view.previous);
        if (!view.previous) this.frame.setTrail(['Layers']);
        this.error.show(view.error, { look: { label: 'Try again' }, act: () => this.actions.retry() });
        break;
      case 'full':
        this.showInspection(view.inspection);
        break;
    }
  }

  /** Select a layer without telling the host. One that is not measured (a pooling layer) changes nothing. */
  select(layer: string): void {
    if (this.inspection && !this.inspection.layers.some(({ name }) => name === layer)) return;
    if (layer !== this.selected) {
      this.selected = layer;
      this.filter = undefined;
      this.actions.selectionChanged(layer);
    }
    this.drawLayer();
  }

  /** The cursor moved in the config. */
  follow(layer: string): void {
    if (!this.pinned) this.select(layer);
  }

  setPinned(pinned: boolean): void {
    this.pinned = pinned;
    this.pin.update(this.pinLook());
  }

  /** A request failed; the picture stays. */
  showFailure(thrown: unknown): void {
    this.failure.showThrown(thrown);
  }

  private showInspection(inspection: Inspection | undefined): void {
    this.inspection = inspection;
    this.frame.content.hidden = !inspection || inspection.layers.length === 0;
    this.exportButton.update(this.exportLook(inspection !== undefined));
    this.pin.update(this.pinLook());
    if (!inspection) return;
    this.frame.setTrail(trail(inspection));
    this.drawLayer();
  }

  private drawLayer(): void {
    const { inspection } = this;
    if (!inspection) return;
    const layer = inspection.layers.find(({ name }) => name === this.selected) ?? inspection.layers[0];
    this.list.update(inspection.layers, layer?.name);
    if (!layer) return;
    if (this.filter !== undefined && this.filter >= layer.filters) this.filter = undefined;
    this.chart.update(heroContent(inspection, layer, this.filter));
    this.evidence.update(layer, this.filter);
  }

  private pinLook() {
    return {
      label: this.pinned ? 'Pinned' : 'Follows the cursor',
      icon: this.pinned ? 'pinned' : 'pin',
      appearance: 'icon',
      pressed: this.pinned,
      description: this.pinned
        ? 'Pinned: stays on this layer'
        : 'Follows the cursor in the config: pin it to this layer',
      hidden: this.inspection === undefined,
    } as const;
  }

  private exportLook(available: boolean) {
    return {
      label: 'Export',
      icon: 'export',
      appearance: 'icon',
      description: 'Export the numbers of all layers as JSON',
      hidden: !available,
    } as const;
  }

  private exportNumbers(): void {
    if (!this.inspection) return;
    const { run, checkpoint, split } = this.inspection;
    const name = [run, checkpointName(checkpoint), split, 'layers'].filter((part) => part).join('-');
    this.actions.saveFile({
      suggestedName: `${fileSafe(name)}.json`,
      content: `${JSON.stringify(this.inspection, undefined, 2)}\n`,
      encoding: 'utf8',
    });
  }
}
