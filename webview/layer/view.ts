import type { Inspection, LayerInspection, Selection } from '../../src/core/statistics/inspection.js';
import type { LayerView, SecondView } from '../../src/protocol/panels/layer.js';
import type { CheckpointAction, PanelState } from '../../src/protocol/panels/shared.js';
import { Chart, type FileToSave } from '../shared/chart/chart.js';
import { checkpointActionLooks } from '../shared/checkpointActions.js';
import { type ButtonControl, button } from '../shared/controls.js';
import { checkpointName, count, fileSafe } from '../shared/format.js';
import { buildFrame } from '../shared/frame.js';
import { Listbox } from '../shared/listbox.js';
import { EmptyState, ErrorBlock, ProgressBlock } from '../shared/message.js';
import { heroContent, shortTrail, trail } from './content.js';
import { type EpochActions, EpochsBlock } from './epochs.js';
import { LayerEvidence } from './evidence.js';
import { type FilterActions, FiltersBlock } from './filters.js';
import type { HeroSubject } from './hero.js';
import { type ImageActions, ImageBlock } from './imageBlock.js';
import { outputContent } from './output.js';
import { RadiusSlider } from './radiusSlider.js';
import { layerRow, type RowItem } from './row.js';
import { SelectionPickers } from './selection.js';

/** What the panel asks for; failures come back through `showFailure`. */
export interface LayerActions {
  selectLayer(layer: string): void;
  setPinned(pinned: boolean): void;
  cancel(): void;
  retry(): void;
  runAction(command: 'train' | 'createSample'): void;
  act(action: CheckpointAction): void;
  saveFile(file: FileToSave): void;
  /** Keep what is chosen for a restored panel. */
  remember(change: PanelState): void;
  select(selection: Selection): void;
  compare(): void;
  stopComparing(): void;
  openCheckpoint(checkpoint: string): void;
  epochs: EpochActions['epochs'];
  measureEpochs: EpochActions['measureEpochs'];
  filterAngles: FilterActions['filterAngles'];
  sampleImages: ImageActions['sampleImages'];
  imageMaps: ImageActions['imageMaps'];
}

/** The last picture, where a view has one. */
function shownBefore(view: LayerView): Inspection | undefined {
  return 'previous' in view ? view.previous : undefined;
}

/** The layer panel on the page. */
export class LayerPanel {
  private readonly frame = buildFrame('Layers');
  private readonly empty = new EmptyState();
  private readonly progress: ProgressBlock;
  private readonly error = new ErrorBlock();
  private readonly failure = new ErrorBlock();
  private readonly pin: ButtonControl;
  private readonly errors: ButtonControl;
  private readonly report: ButtonControl;
  private readonly exportButton: ButtonControl;
  private readonly compareButton: ButtonControl;
  private readonly list: Listbox<RowItem>;
  private readonly chart: Chart;
  private readonly radius = new RadiusSlider((radius) => {
    this.movedRadius = radius;
    this.drawCurves();
  });
  private readonly output: Chart;
  private readonly evidence = new LayerEvidence();
  private readonly epochs: EpochsBlock;
  private readonly filters: FiltersBlock;
  private readonly images: ImageBlock;
  private readonly selection: SelectionPickers;
  private readonly secondProgress: ProgressBlock;
  private inspection: Inspection | undefined;
  private second: Inspection | undefined;
  private selected: string | undefined;
  private filter: number | undefined;
  private movedRadius: number | undefined;
  private pinned = false;

  constructor(private readonly actions: LayerActions) {
    this.progress = new ProgressBlock(() => actions.cancel());
    this.pin = button(this.pinLook(), () => {
      this.setPinned(!this.pinned);
      actions.setPinned(this.pinned);
    });
    this.errors = button(checkpointActionLooks.explainErrors, () => actions.act('explainErrors'));
    this.report = button(checkpointActionLooks.exportReport, () => actions.act('exportReport'));
    this.exportButton = button(this.exportLook(false), () => this.exportNumbers());
    this.compareButton = button(this.compareLook(), () => {
      if (this.second === undefined) actions.compare();
      else actions.stopComparing();
    });
    this.secondProgress = new ProgressBlock(() => actions.stopComparing());
    this.selection = new SelectionPickers((selection) => {
      actions.remember({ selection });
      actions.select(selection);
    });
    this.list = new Listbox<RowItem>({
      label: 'Layers',
      keyOf: ({ layer }) => layer.name,
      createRow: layerRow,
      choose: (layer) => {
        this.select(layer);
        actions.selectLayer(layer);
      },
    });
    this.chart = new Chart((file) => actions.saveFile(file));
    this.output = new Chart((file) => actions.saveFile(file));
    const shared = {
      saveFile: (file: FileToSave) => actions.saveFile(file),
      failed: (thrown: unknown) => this.showFailure(thrown),
    };
    this.epochs = new EpochsBlock({ ...actions, ...shared });
    this.filters = new FiltersBlock({
      ...shared,
      filterAngles: actions.filterAngles,
      choose: (filter) => {
        this.filter = filter;
        this.movedRadius = undefined;
        actions.remember({ filter });
        this.drawLayer();
      },
    });
    this.images = new ImageBlock({
      ...shared,
      sampleImages: actions.sampleImages,
      imageMaps: actions.imageMaps,
      imageChosen: (image) => actions.remember({ image }),
    });
    const { frame } = this;
    frame.actions.append(
      this.selection.element,
      this.compareButton.element,
      this.pin.element,
      this.errors.element,
      this.report.element,
      this.exportButton.element,
    );
    frame.notices.append(
      this.progress.element,
      this.secondProgress.element,
      this.error.element,
      this.failure.element,
      this.empty.element,
    );
    frame.list.append(this.list.element);
    frame.hero.append(this.chart.element, this.radius.element);
    this.output.element.classList.add('wide');
    frame.evidence.append(
      this.output.element,
      ...this.evidence.parts,
      ...this.filters.parts,
      this.images.element,
      this.epochs.element,
    );
    frame.content.hidden = true;
    frame.setTrail(['Layers']);
  }

  /** Show a whole snapshot. */
  show(view: LayerView): void {
    // While it is measured, the pickers keep what was picked.
    if (view.status !== 'loading' || this.inspection === undefined)
      this.selection.update(view.status === 'full' ? view.inspection : shownBefore(view));
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

  /** What a restored panel finds. */
  restore({ filter, image }: PanelState): void {
    this.filter = filter;
    this.images.restore(image);
  }

  /** The second checkpoint, B. */
  showSecond(view: SecondView): void {
    this.second = view.status === 'full' ? view.inspection : undefined;
    if (view.status === 'loading') {
      const { activity, done, total } = view.progress;
      this.secondProgress.show(
        `B, ${checkpointName(view.checkpoint)}: ${activity}`,
        `${count(done)} of ${count(total)}`,
        done,
        total,
      );
    } else this.secondProgress.hide();
    this.compareButton.update(this.compareLook());
    this.drawLayer();
  }

  /** Select a layer without telling the host. One that is not measured (a pooling layer) changes nothing. */
  select(layer: string): void {
    if (this.inspection && !this.inspection.layers.some(({ name }) => name === layer)) return;
    if (layer !== this.selected) {
      // A restored filter belongs to the layer that is selected first.
      if (this.selected !== undefined) this.filter = undefined;
      this.selected = layer;
      this.movedRadius = undefined;
      this.actions.remember({ selectedLayer: layer, filter: this.filter });
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
    const hidden = inspection === undefined;
    this.errors.update({ ...checkpointActionLooks.explainErrors, hidden });
    this.report.update({ ...checkpointActionLooks.exportReport, hidden });
    this.compareButton.update(this.compareLook());
    if (!inspection) return;
    this.frame.setTrail(trail(inspection));
    this.drawLayer();
  }

  private subject(): HeroSubject | undefined {
    const layer =
      this.inspection?.layers.find(({ name }) => name === this.selected) ?? this.inspection?.layers[0];
    if (!layer) return undefined;
    if (this.filter !== undefined && this.filter >= layer.filters) this.filter = undefined;
    return { layer, filter: this.filter, second: this.secondOf(layer), movedRadius: this.movedRadius };
  }

  private secondOf({ name }: LayerInspection): LayerInspection | undefined {
    return this.second?.layers.find((layer) => layer.name === name);
  }

  private drawLayer(): void {
    const { inspection } = this;
    if (!inspection) return;
    const subject = this.subject();
    const rows = inspection.layers.map((layer) => ({ layer, second: this.secondOf(layer) }));
    this.list.update(rows, subject?.layer.name);
    if (!subject) return;
    const { layer, filter } = subject;
    this.drawCurves();
    this.evidence.update(subject);
    this.filters.update(inspection, layer, filter);
    this.images.update(inspection, layer, filter);
    this.epochs.update(inspection, layer.name);
  }

  /** What a moved radius changes. */
  private drawCurves(): void {
    const { inspection, second } = this;
    const subject = this.subject();
    if (!inspection || !subject) return;
    this.chart.update(heroContent(inspection, subject, second));
    this.radius.update(subject);
    this.output.element.hidden = subject.layer.patches === 0;
    if (subject.layer.patches > 0) this.output.update(outputContent(inspection, subject, second));
  }

  private compareLook() {
    const comparing = this.second !== undefined;
    return {
      label: comparing ? 'Stop comparing' : 'Compare with…',
      icon: comparing ? 'close' : 'diff',
      appearance: 'icon',
      description: comparing
        ? `Stop comparing with ${this.second ? shortTrail(this.second) : ''}`
        : 'Compare with another checkpoint or run',
      hidden: this.inspection === undefined,
    } as const;
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
