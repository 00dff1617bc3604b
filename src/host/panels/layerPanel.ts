import path from 'node:path';
import type * as vscode from 'vscode';
import { asDcnetError, DcnetError } from '../../core/errors.js';
import { checkpointExtension } from '../../core/run/run.js';
import type { Inspection, Selection } from '../../core/statistics/inspection.js';
import type { Handlers, Remote } from '../../protocol/channel.js';
import type { WorkProgress } from '../../protocol/engine.js';
import {
  type LayerView,
  layerHostContract,
  layerPanelContract,
  type SecondView,
} from '../../protocol/panels/layer.js';
import type { CheckpointAction, PanelState } from '../../protocol/panels/shared.js';
import type { EngineClient } from '../engine/engineClient.js';
import { Owner } from '../lifecycle.js';
import { EpochsOfRun } from './epochsOfRun.js';
import type { LayerCursor } from './layerCursor.js';
import { saveFile } from './saveFile.js';
import { readStoredInspection } from './storedInspection.js';
import { joinWebview } from './webviewChannel.js';

/** What is looked into. */
export interface LayerTarget {
  readonly runDirectory: string;
  /** Absolute path. */
  readonly checkpoint: string;
}

/** @param checkpoint absolute path of a file in a run's `checkpoints` folder */
export function layerTarget(checkpoint: string): LayerTarget {
  return { runDirectory: path.dirname(path.dirname(checkpoint)), checkpoint };
}

/** The split that is looked at. */
const split = 'test';

interface WorkOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: WorkProgress) => void;
}

export interface LayerPanelServices {
  readonly cursor: LayerCursor;
  /** The engine that analyses; asked only in a trusted workspace. */
  readonly engine: EngineClient['request'];
  /** The run's checkpoints in their order, without `best`, which is one of them. */
  readonly checkpointsOf: (runDirectory: string) => Promise<readonly string[]>;
  /** Let the user pick a checkpoint to compare with. */
  readonly pickSecond: (first: string) => Promise<string | undefined>;
  /** The config that a run was trained from. */
  readonly configOf: (runDirectory: string) => Promise<vscode.Uri>;
  readonly act: (action: CheckpointAction, target: LayerTarget) => Promise<unknown>;
  readonly runAction: (command: 'train' | 'createSample') => Promise<unknown>;
  readonly log: vscode.LogOutputChannel;
}

/** The panel on one checkpoint's layers. It shows what is stored at once, and has the engine measure what is not. */
export class LayerPanel extends Owner {
  readonly #remote: Remote<typeof layerPanelContract>;
  #target: LayerTarget | undefined;
  #config: vscode.Uri | undefined;
  #view: LayerView = emptyView('train');
  #measuring: AbortController | undefined;
  #pinned: boolean;
  #selected: string | undefined;
  /** The last picture of this run. */
  #last: Inspection | undefined;
  #selection: Selection;
  /** The checkpoint compared with. */
  #second: string | undefined;
  #secondView: SecondView = { status: 'none' };
  #measuringSecond: AbortController | undefined;
  readonly #epochs = new EpochsOfRun();

  constructor(
    readonly panel: vscode.WebviewPanel,
    private readonly services: LayerPanelServices,
    { pinned = false, selectedLayer, selection = {}, second }: PanelState = {},
  ) {
    super();
    this.#pinned = pinned;
    this.#selection = selection;
    this.#second = second;
    this.#selected = selectedLayer;
    this.#remote = this._register(
      joinWebview(panel.webview, layerHostContract, this.#handlers(), layerPanelContract),
    );
    this._register(services.cursor.onDidMove(({ config, layer }) => this.#follow(config, layer)));
    this._register({ dispose: () => this.#measuring?.abort() });
    this._register({ dispose: () => this.#measuringSecond?.abort() });
  }

  get target(): LayerTarget | undefined {
    return this.#target;
  }

  /** Show a checkpoint. @param layer the one to select; left out, the one under the cursor */
  async open(target: LayerTarget, layer?: string): Promise<void> {
    // The last picture stands in, dimmed, until the new one comes; not one of another run.
    if (this.#target?.runDirectory !== target.runDirectory) this.#last = undefined;
    this.#target = target;
    this.panel.title = `Layers: ${path.basename(target.runDirectory)}`;
    this.#config = await this.services.configOf(target.runDirectory);
    const underCursor = this.#pinned ? undefined : this.services.cursor.layerIn(this.#config);
    this.#selected = layer ?? underCursor ?? this.#selected;
    // A document that is up does not ask again; nor can it select what its last picture did not have.
    const tell = (): void => {
      if (this.#selected !== undefined)
        this.#remote.notify('layerSelected', { layer: this.#selected, asked: layer !== undefined });
    };
    tell();
    void this.#measureSecond();
    await this.#measure(target);
    tell();
  }

  /** Nothing to show yet: teach how to get it. */
  openEmpty(command: 'train' | 'createSample'): void {
    this.#measuring?.abort();
    this.#target = undefined;
    this.#last = undefined;
    this.#compareWith(undefined);
    this.#show(emptyView(command));
  }

  #handlers(): Handlers<typeof layerHostContract> {
    return {
      ready: () => {
        // Each in a message of its own, so that none becomes too large.
        setImmediate(() => this.#showSecond(this.#secondView));
        return { view: this.#view, selectedLayer: this.#selected, pinned: this.#pinned };
      },
      selectLayer: async ({ layer }) => {
        this.#selected = layer;
        if (this.#config !== undefined) await this.services.cursor.reveal(this.#config, layer);
        return {};
      },
      setPinned: ({ pinned }) => {
        this.#pinned = pinned;
        const layer = this.#config && this.services.cursor.layerIn(this.#config);
        if (!pinned && this.#config !== undefined && layer !== undefined) this.#follow(this.#config, layer);
        return {};
      },
      cancel: () => {
        this.#measuring?.abort();
        return {};
      },
      retry: async () => {
        if (this.#target !== undefined) void this.#measure(this.#target);
        return {};
      },
      select: (selection) => {
        this.#selection = selection;
        if (this.#target !== undefined) void this.#measure(this.#target);
        void this.#measureSecond();
        return {};
      },
      openCheckpoint: async ({ checkpoint }) => {
        if (this.#target !== undefined) {
          this.#target = { ...this.#target, checkpoint };
          void this.#measure(this.#target);
        }
        return {};
      },
      compare: async () => {
        const picked = await this.services.pickSecond(this.#checkpoint());
        if (picked !== undefined) this.#compareWith(picked);
        return {};
      },
      stopComparing: () => {
        this.#compareWith(undefined);
        return {};
      },
      epochs: async ({ layer }) =>
        this.#target === undefined ? [] : this.#epochs.of(await this.#checkpoints(), layer),
      measureEpochs: (_, { signal, report }) => this.#measureEpochs(signal, report),
      filterAngles: ({ layer }) =>
        this.services.engine('filterAngles', { checkpoint: this.#checkpoint(), layer }),
      sampleImages: (request, { signal, report }) =>
        this.services.engine(
          'sampleImages',
          { checkpoint: this.#checkpoint(), split, ...request },
          { signal, onProgress: report },
        ),
      imageMaps: (request) =>
        this.services.engine('imageMaps', { checkpoint: this.#checkpoint(), split, ...request }),
      runAction: async ({ command }) => {
        await this.services.runAction(command);
        return {};
      },
      act: async ({ action }) => {
        if (this.#target !== undefined) await this.services.act(action, this.#target);
        return {};
      },
      saveFile: (file) => saveFile(path.dirname(this.#config?.fsPath ?? process.cwd()), file),
    };
  }

  #follow(config: vscode.Uri, layer: string): void {
    if (this.#pinned || config.toString() !== this.#config?.toString()) return;
    if (!this.#last?.layers.some(({ name }) => name === layer)) return;
    if (layer === this.#selected) return;
    this.#selected = layer;
    this.#remote.notify('layerSelected', { layer });
  }

  #checkpoint(): string {
    if (this.#target !== undefined) return this.#target.checkpoint;
    throw new DcnetError({
      code: 'usage',
      message: 'No checkpoint is shown.',
      remedy: 'Open one: DCNet: Inspect Layers.',
    });
  }

  #checkpoints(): Promise<readonly string[]> {
    return this.services.checkpointsOf(path.dirname(path.dirname(this.#checkpoint())));
  }

  async #measureEpochs(
    signal: AbortSignal,
    report: (progress: WorkProgress) => void,
  ): Promise<Record<string, never>> {
    const missing = await this.#epochs.missing(await this.#checkpoints());
    for (const [i, checkpoint] of missing.entries()) {
      const name = path.basename(checkpoint, checkpointExtension);
      const activity = `Measuring ${name}, ${i + 1} of ${missing.length}`;
      await this.services.engine(
        'inspect',
        { checkpoint, split },
        { signal, onProgress: ({ done, total }) => report({ activity, done, total }) },
      );
    }
    return {};
  }

  #compareWith(checkpoint: string | undefined): void {
    this.#second = checkpoint;
    void this.#measureSecond();
  }

  async #measureSecond(): Promise<void> {
    this.#measuringSecond?.abort();
    const checkpoint = this.#second;
    if (checkpoint === undefined) {
      this.#showSecond({ status: 'none' });
      return;
    }
    const abort = new AbortController();
    this.#measuringSecond = abort;
    const progressed = (progress: WorkProgress): void => {
      if (!abort.signal.aborted) this.#showSecond({ status: 'loading', checkpoint, progress });
    };
    progressed({ activity: 'Starting', done: 0, total: 1 });
    try {
      const inspection = await this.#known(checkpoint, abort.signal, progressed);
      if (!abort.signal.aborted) this.#showSecond({ status: 'full', inspection });
    } catch (thrown) {
      if (abort.signal.aborted || this.isDisposed) return;
      const error = asDcnetError(thrown);
      this.services.log.error(error.describe());
      this.#second = undefined;
      this.#showSecond({ status: 'none' });
      this.#remote.notify('failed', error.details);
    }
  }

  /** What is stored of a checkpoint, or what the engine measures. */
  async #known(
    checkpoint: string,
    signal: AbortSignal,
    onProgress: (progress: WorkProgress) => void,
  ): Promise<Inspection> {
    const stored = this.#selectsAll
      ? await readStoredInspection(path.dirname(path.dirname(checkpoint)), checkpoint)
      : undefined;
    if (stored?.fresh) return stored.inspection;
    return this.#inspect(checkpoint, { signal, onProgress });
  }

  get #selectsAll(): boolean {
    return this.#selection.label === undefined && this.#selection.outcome === undefined;
  }

  #showSecond(view: SecondView): void {
    this.#secondView = view;
    if (this.panel.visible && !this.isDisposed) this.#remote.notify('showSecond', view);
  }

  async #measure({ runDirectory, checkpoint }: LayerTarget): Promise<void> {
    const abort = new AbortController();
    this.#measuring?.abort();
    this.#measuring = abort;
    const stillWanted = (): boolean => this.#measuring === abort && !this.isDisposed;
    const name = path.basename(checkpoint, checkpointExtension);
    try {
      const stored = this.#selectsAll ? await readStoredInspection(runDirectory, checkpoint) : undefined;
      if (!stillWanted()) return;
      if (stored?.fresh) {
        this.#show({ status: 'full', inspection: stored.inspection });
        return;
      }
      this.#last = stored?.inspection ?? this.#last;
      const progressed = (progress: WorkProgress): void => {
        if (stillWanted() && !abort.signal.aborted)
          this.#show({ status: 'loading', checkpoint: name, progress, previous: this.#last });
      };
      progressed({ activity: 'Starting', done: 0, total: 1 });
      const inspection = await this.#inspect(checkpoint, { signal: abort.signal, onProgress: progressed });
      if (stillWanted()) this.#show({ status: 'full', inspection });
    } catch (thrown) {
      const error = asDcnetError(thrown);
      if (!abort.signal.aborted) this.services.log.error(error.describe());
      if (stillWanted()) this.#show({ status: 'error', error: error.details, previous: this.#last });
    }
  }

  #inspect(checkpoint: string, options: WorkOptions): Promise<Inspection> {
    return this.services.engine('inspect', { checkpoint, split, selection: this.#selection }, options);
  }

  #show(view: LayerView): void {
    this.#view = view;
    if (view.status === 'full') this.#last = view.inspection;
    // A hidden document asks when it is shown again.
    if (this.panel.visible) this.#remote.notify('show', view);
  }
}

function emptyView(command: 'train' | 'createSample'): LayerView {
  const teach = 'A trained network shows here what each of its layers does to its data.';
  return command === 'train'
    ? { status: 'empty', message: teach, action: { label: 'Train DCNet', command } }
    : { status: 'empty', message: teach, action: { label: 'Create a Sample Network', command } };
}
