import { errorsCsv } from '../../src/core/verdict/csv.js';
import type { ErrorEvidence } from '../../src/protocol/engine.js';
import type { DataImage } from '../../src/protocol/images.js';
import type { ErrorPicture, ErrorsView, Which } from '../../src/protocol/panels/errors.js';
import type { CheckpointAction, ErrorsState } from '../../src/protocol/panels/shared.js';
import { Chart, type FileToSave } from '../shared/chart/chart.js';
import { checkpointActionLooks } from '../shared/checkpointActions.js';
import { type ButtonControl, button } from '../shared/controls.js';
import { html, setText } from '../shared/dom.js';
import { checkpointName, count, fileSafe } from '../shared/format.js';
import { buildFrame } from '../shared/frame.js';
import { EmptyState, ErrorBlock, ProgressBlock } from '../shared/message.js';
import { type AttackRequests, AttackView } from './attack.js';
import { ComparisonView } from './comparison.js';
import { trail } from './content.js';
import { embeddingContent } from './embedding.js';
import { EvidenceView } from './evidence.js';
import { ErrorList } from './list.js';
import { type Cell, type MatrixLook, matrixContent } from './matrix.js';
import { NarrowingView } from './narrowing.js';
import { type Digest, digest, type Filters, type ListedError, select, validFilters } from './selection.js';
import { MatrixToolbar } from './toolbar.js';

/** What the panel asks for; failures of what has no place of its own come back through `showFailure`. */
export interface ErrorsActions extends AttackRequests {
  cancel(): void;
  retry(): void;
  runAction(command: 'train' | 'createSample'): void;
  compare(): void;
  stopComparing(): void;
  act(action: CheckpointAction): void;
  saveFile(file: FileToSave): void;
  evidence(of: Which, index: number): Promise<ErrorEvidence>;
  images(indices: number[]): Promise<readonly DataImage[]>;
  /** The choice changed: keep it for a restored panel. */
  chose(state: ErrorsState): void;
}

const usualLook: MatrixLook = {
  normalise: 'none',
  order: 'label',
  diagonal: true,
  threshold: 1,
  matrix: 'first',
};

/** The errors panel on the page. */
export class ErrorsPanel {
  private readonly frame = buildFrame('Errors');
  private readonly empty = new EmptyState();
  private readonly progress: ProgressBlock;
  private readonly error = new ErrorBlock();
  private readonly failure = new ErrorBlock();
  private readonly layers: ButtonControl;
  private readonly compare: ButtonControl;
  private readonly report: ButtonControl;
  private readonly exportButton: ButtonControl;
  private readonly narrowing: NarrowingView;
  private readonly list: ErrorList;
  private readonly comparison: ComparisonView;
  private readonly toolbar: MatrixToolbar;
  private readonly matrix: Chart;
  private readonly evidence: EvidenceView;
  private readonly noError = html('p', { class: 'note', hidden: true });
  private readonly embedding: Chart;
  private readonly attack: AttackView;
  private data: Digest | undefined;
  private filters: Filters = {};
  private look = usualLook;
  private image: number | undefined;
  /** The error whose evidence is shown or on its way. */
  private asked = '';

  constructor(private readonly actions: ErrorsActions) {
    const save = (file: FileToSave): void => actions.saveFile(file);
    this.progress = new ProgressBlock(() => actions.cancel());
    this.layers = button(checkpointActionLooks.inspectLayers, () => actions.act('inspectLayers'));
    this.compare = button({ label: 'Compare' }, () =>
      this.data?.second ? actions.stopComparing() : actions.compare(),
    );
    this.report = button(checkpointActionLooks.exportReport, () => actions.act('exportReport'));
    this.exportButton = button({ label: 'Export' }, () => this.exportCsv());
    this.narrowing = new NarrowingView((filters) => this.narrow(filters));
    this.list = new ErrorList({
      choose: (error) => this.choose(error.index),
      images: (indices) => actions.images(indices),
      failed: (thrown) => this.showFailure(thrown),
    });
    this.comparison = new ComparisonView((change) => this.narrow({ ...this.filters, change }));
    this.toolbar = new MatrixToolbar((look) => {
      this.look = look;
      this.draw();
    });
    this.matrix = new Chart(save);
    this.evidence = new EvidenceView(save);
    this.embedding = new Chart(save);
    this.attack = new AttackView(actions, save);
    const { frame } = this;
    frame.actions.append(
      this.layers.element,
      this.compare.element,
      this.report.element,
      this.exportButton.element,
    );
    frame.notices.append(this.progress.element, this.error.element, this.failure.element, this.empty.element);
    frame.list.append(html('div', { class: 'list-parts' }, this.narrowing.element, this.list.element));
    frame.hero.append(this.comparison.element, this.toolbar.element, this.matrix.element);
    frame.evidence.append(this.noError, this.evidence.element, this.embedding.element, this.attack.element);
    frame.content.hidden = true;
    frame.setTrail(['Errors']);
    this.showButtons();
  }

  /** Take up what an earlier window kept. */
  restore({ normalise, order, diagonal, threshold, matrix, image, ...filters }: ErrorsState): void {
    this.filters = filters;
    this.image = image;
    this.look = {
      normalise: normalise ?? usualLook.normalise,
      order: order ?? usualLook.order,
      diagonal: diagonal ?? usualLook.diagonal,
      threshold: threshold ?? usualLook.threshold,
      matrix: matrix ?? usualLook.matrix,
    };
  }

  /** Show a whole snapshot. */
  show(view: ErrorsView): void {
    if (view.status !== 'loading') this.progress.hide();
    if (view.status !== 'error') this.error.hide();
    if (view.status !== 'empty') this.empty.hide();
    this.frame.content.classList.toggle('dimmed', view.status === 'loading');
    this.frame.content.setAttribute('aria-busy', String(view.status === 'loading'));
    switch (view.status) {
      case 'empty': {
        this.showPicture(undefined);
        this.frame.setTrail(['Errors']);
        const { command, label } = view.action;
        this.empty.show(view.message, { label, act: () => this.actions.runAction(command) });
        break;
      }
      case 'loading': {
        this.showPicture(view.previous);
        const { activity, done, total } = view.progress;
        const before = view.previous?.analysis;
        this.frame.setTrail([
          ...(before?.run === undefined ? [] : [before.run]),
          view.checkpoint,
          before ? `explaining; still shown: ${checkpointName(before.checkpoint)}` : 'explaining',
        ]);
        this.progress.show(activity, `${count(done)} of ${count(total)}`, done, total);
        break;
      }
      case 'error':
        this.showPicture(view.previous);
        if (!view.previous) this.frame.setTrail(['Errors']);
        this.error.show(view.error, { look: { label: 'Try again' }, act: () => this.actions.retry() });
        break;
      case 'full':
        this.showPicture(view.picture);
        break;
    }
  }

  /** A request failed; the picture stays. */
  showFailure(thrown: unknown): void {
    this.failure.showThrown(thrown);
  }

  private showPicture(picture: ErrorPicture | undefined): void {
    this.data = picture && digest(picture);
    this.frame.content.hidden = picture === undefined;
    this.showButtons();
    if (!this.data || !picture) return;
    this.frame.setTrail(trail(picture.analysis));
    this.filters = validFilters(this.filters, this.data);
    if (!this.data.second) this.look = { ...this.look, matrix: 'first' };
    this.draw();
  }

  private narrow(filters: Filters): void {
    this.filters = filters;
    this.draw();
  }

  private choose(image: number): void {
    this.image = image;
    // One that the filters hide (chosen in the embedding) takes them away.
    if (this.data && !select(this.data, this.filters).some(({ index }) => index === image)) this.filters = {};
    this.draw();
  }

  private draw(): void {
    const { data } = this;
    if (!data) return;
    const { first } = data;
    const listed = select(data, this.filters);
    const error = listed.find(({ index }) => index === this.image) ?? listed[0];
    this.image = error?.index;
    const cell: Cell = { label: this.filters.label, predicted: this.filters.predicted };
    this.toolbar.update(this.look, data.second !== undefined);
    this.comparison.update(data, this.filters);
    this.narrowing.update(data, this.filters);
    this.list.update(listed, first.classNames, first.checkpointSha256, error);
    this.matrix.update(
      matrixContent(data, this.look, cell, ({ label, predicted }) =>
        // What is chosen again is let go.
        this.narrow(
          label === cell.label && predicted === cell.predicted
            ? { ...this.filters, label: undefined, predicted: undefined }
            : { ...this.filters, label, predicted },
        ),
      ),
    );
    this.embedding.update(
      embeddingContent(first, error?.of === 'first' ? error.index : undefined, this.filters.label, (index) =>
        this.choose(index),
      ),
    );
    this.attack.update(first);
    this.noError.hidden = error !== undefined;
    setText(
      this.noError,
      data.rows.length === 0
        ? 'Every image is classified rightly: there is nothing to explain.'
        : 'No error is left by these filters: remove one.',
    );
    this.actions.chose({ ...this.filters, ...this.look, image: this.image });
    void this.showEvidence(data, error);
  }

  private async showEvidence(data: Digest, error: ListedError | undefined): Promise<void> {
    const analysis = error?.of === 'second' ? data.second : data.first;
    const key = error === undefined ? '' : `${analysis?.checkpointSha256} ${error.index}`;
    if (key === this.asked) return;
    this.asked = key;
    if (!error || !analysis) {
      this.evidence.element.hidden = true;
      return;
    }
    this.evidence.element.classList.add('dimmed');
    try {
      const evidence = await this.actions.evidence(error.of, error.index);
      if (this.asked !== key) return;
      this.evidence.update(analysis, error, evidence);
      this.evidence.element.hidden = false;
      this.evidence.element.classList.remove('dimmed');
    } catch (thrown) {
      if (this.asked !== key) return;
      this.asked = '';
      this.evidence.element.hidden = true;
      this.showFailure(thrown);
    }
  }

  private showButtons(): void {
    const hidden = this.data === undefined;
    this.layers.update({ ...checkpointActionLooks.inspectLayers, hidden });
    this.report.update({ ...checkpointActionLooks.exportReport, hidden });
    this.compare.update(
      this.data?.second
        ? { label: 'Stop comparing', icon: 'close', appearance: 'icon', hidden }
        : {
            label: 'Compare with…',
            icon: 'git-compare',
            appearance: 'icon',
            description: 'Compare with another checkpoint',
            hidden,
          },
    );
    this.exportButton.update({
      label: 'Export',
      icon: 'export',
      appearance: 'icon',
      description: 'Export the listed errors as CSV',
      hidden,
    });
  }

  private exportCsv(): void {
    const { data } = this;
    if (!data) return;
    const listed = select(data, this.filters);
    const analysis = this.filters.change === 'regressed' && data.second ? data.second : data.first;
    const name = [analysis.run, checkpointName(analysis.checkpoint), analysis.split, 'errors'];
    this.actions.saveFile({
      suggestedName: `${fileSafe(name.filter((part) => part).join('-'))}.csv`,
      content: errorsCsv(analysis, listed),
      encoding: 'utf8',
    });
  }
}
