import path from 'node:path';
import type * as vscode from 'vscode';
import { asDcnetError } from '../../core/errors.js';
import { checkpointExtension } from '../../core/run/run.js';
import type { Inspection } from '../../core/statistics/inspection.js';
import type { Handlers, Remote } from '../../protocol/channel.js';
import type { WorkProgress } from '../../protocol/engine.js';
import { type LayerView, layerHostContract, layerPanelContract } from '../../protocol/panels/layer.js';
import type { PanelState } from '../../protocol/panels/shared.js';
import { Owner } from '../lifecycle.js';
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

export interface LayerPanelServices {
  readonly cursor: LayerCursor;
  /** Measure a checkpoint on the test split; may take minutes. */
  readonly inspect: (
    checkpoint: string,
    options: { readonly signal: AbortSignal; readonly onProgress: (progress: WorkProgress) => void },
  ) => Promise<Inspection>;
  /** The config that a run was trained from. */
  readonly configOf: (runDirectory: string) => Promise<vscode.Uri>;
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

  constructor(
    readonly panel: vscode.WebviewPanel,
    private readonly services: LayerPanelServices,
    { pinned = false, selectedLayer }: PanelState = {},
  ) {
    super();
    this.#pinned = pinned;
    this.#selected = selectedLayer;
    this.#remote = this._register(
      joinWebview(panel.webview, layerHostContract, this.#handlers(), layerPanelContract),
    );
    this._register(services.cursor.onDidMove(({ config, layer }) => this.#follow(config, layer)));
    this._register({ dispose: () => this.#measuring?.abort() });
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
    await this.#measure(target);
    tell();
  }

  /** Nothing to show yet: teach how to get it. */
  openEmpty(command: 'train' | 'createSample'): void {
    this.#measuring?.abort();
    this.#target = undefined;
    this.#last = undefined;
    this.#show(emptyView(command));
  }

  #handlers(): Handlers<typeof layerHostContract> {
    return {
      ready: () => ({ view: this.#view, selectedLayer: this.#selected, pinned: this.#pinned }),
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
      runAction: async ({ command }) => {
        await this.services.runAction(command);
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

  async #measure({ runDirectory, checkpoint }: LayerTarget): Promise<void> {
    const abort = new AbortController();
    this.#measuring?.abort();
    this.#measuring = abort;
    const stillWanted = (): boolean => this.#measuring === abort && !this.isDisposed;
    const name = path.basename(checkpoint, checkpointExtension);
    try {
      const stored = await readStoredInspection(runDirectory, checkpoint);
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
      const inspection = await this.services.inspect(checkpoint, {
        signal: abort.signal,
        onProgress: progressed,
      });
      if (stillWanted()) this.#show({ status: 'full', inspection });
    } catch (thrown) {
      const error = asDcnetError(thrown);
      if (!abort.signal.aborted) this.services.log.error(error.describe());
      if (stillWanted()) this.#show({ status: 'error', error: error.details, previous: this.#last });
    }
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
