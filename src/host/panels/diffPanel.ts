import path from 'node:path';
import * as vscode from 'vscode';
import type { WeightComparison } from '../../core/comparison/comparison.js';
import { asDcnetError } from '../../core/errors.js';
import type { Handlers, Remote } from '../../protocol/channel.js';
import type { WorkProgress } from '../../protocol/engine.js';
import {
  type BehaviourState,
  type Comparison,
  type DiffView,
  diffHostContract,
  diffPanelContract,
} from '../../protocol/panels/diff.js';
import type { ComparedPair } from '../compare/comparing.js';
import { configUri } from '../compare/configDocuments.js';
import { labelOf } from '../compare/selection.js';
import type { EngineClient } from '../engine/engineClient.js';
import { Owner } from '../lifecycle.js';
import { saveFile } from './saveFile.js';
import { joinWebview } from './webviewChannel.js';

interface WorkOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: WorkProgress) => void;
}

export interface DiffPanelServices {
  /** The engine that analyses; asked only in a trusted workspace. */
  readonly engine: EngineClient['request'];
  /** What is shown has changed: files made for what was shown before are not needed any more. */
  readonly shown: (pair: ComparedPair | undefined) => Promise<void>;
  readonly inspect: (checkpoint: string) => Promise<unknown>;
  readonly pick: () => Promise<unknown>;
  readonly log: vscode.LogOutputChannel;
}

const teach =
  'Two checkpoints side by side show what training changed: config, metrics, and each filter as rescaling and rotation.';

/** The panel on two checkpoints: the files are compared at once, then both networks are run on the same data. */
export class DiffPanel extends Owner {
  readonly #remote: Remote<typeof diffPanelContract>;
  #pair: ComparedPair | undefined;
  #view: DiffView = { status: 'empty', message: teach };
  #last: Comparison | undefined;
  #working: AbortController | undefined;

  constructor(
    readonly panel: vscode.WebviewPanel,
    private readonly services: DiffPanelServices,
  ) {
    super();
    this.#remote = this._register(
      joinWebview(panel.webview, diffHostContract, this.#handlers(), diffPanelContract),
    );
    this._register({ dispose: () => this.#working?.abort() });
    this._register({ dispose: () => void services.shown(undefined) });
  }

  /** Compare two checkpoints. */
  async open(pair: ComparedPair): Promise<void> {
    this.#pair = pair;
    this.panel.title = `${labelOf(pair.a)} ↔ ${labelOf(pair.b)}`;
    await this.services.shown(pair);
    await this.#compare(pair);
  }

  #handlers(): Handlers<typeof diffHostContract> {
    const { services } = this;
    return {
      ready: () => ({ view: this.#view }),
      swap: () => {
        const pair = this.#pair;
        if (pair !== undefined) void this.open({ a: pair.b, b: pair.a });
        return {};
      },
      openConfigDiff: async () => {
        const pair = this.#pair;
        if (pair === undefined) return {};
        const [a, b] = [pair.a, pair.b].map((side) => configUri(side.file, labelOf(side)));
        const title = `Config: ${labelOf(pair.a)} ↔ ${labelOf(pair.b)}`;
        await vscode.commands.executeCommand('vscode.diff', a, b, title, {
          viewColumn: vscode.ViewColumn.One,
        });
        return {};
      },
      inspect: async ({ side }) => {
        const file = this.#pair?.[side].file;
        if (file !== undefined) await services.inspect(file);
        return {};
      },
      pick: async () => {
        await services.pick();
        return {};
      },
      cancel: () => {
        this.#working?.abort();
        return {};
      },
      retry: () => {
        if (this.#pair !== undefined) void this.#compare(this.#pair);
        return {};
      },
      saveFile: (file) => saveFile(path.dirname(this.#pair?.b.file ?? process.cwd()), file),
    };
  }

  async #compare(pair: ComparedPair): Promise<void> {
    const abort = new AbortController();
    this.#working?.abort();
    this.#working = abort;
    const stillWanted = (): boolean => this.#working === abort && !this.isDisposed;
    const failed = (thrown: unknown) => {
      const error = asDcnetError(thrown);
      if (!abort.signal.aborted) this.services.log.error(error.describe());
      return error.details;
    };
    const options = (onProgress: (progress: WorkProgress) => void): WorkOptions => ({
      signal: abort.signal,
      onProgress: (progress) => {
        if (stillWanted() && !abort.signal.aborted) onProgress(progress);
      },
    });
    const previous = this.#last;
    const loading = (progress: WorkProgress): void =>
      this.#show({ status: 'loading', a: labelOf(pair.a), b: labelOf(pair.b), progress, previous });
    let weights: WeightComparison;
    try {
      loading({ activity: 'Reading both checkpoints', done: 0, total: 1 });
      weights = await this.services.engine('compareWeights', pair, options(loading));
    } catch (thrown) {
      const error = failed(thrown);
      if (stillWanted()) this.#show({ status: 'error', error, previous });
      return;
    }
    if (!stillWanted()) return;
    const full = (behaviour: BehaviourState): void =>
      this.#show({ status: 'full', comparison: { weights, behaviour } });
    if (weights.noCommonData !== undefined) {
      full({ status: 'none', reason: weights.noCommonData });
      return;
    }
    try {
      const running = (progress: WorkProgress): void => full({ status: 'loading', progress });
      running({ activity: 'Opening both networks', done: 0, total: 1 });
      const behaviour = await this.services.engine('compareBehaviour', pair, options(running));
      if (stillWanted()) full({ status: 'full', behaviour });
    } catch (thrown) {
      const error = failed(thrown);
      if (stillWanted()) full({ status: 'error', error });
    }
  }

  #show(view: DiffView): void {
    this.#view = view;
    if (view.status === 'full') this.#last = view.comparison;
    // A hidden document asks when it is shown again.
    if (this.panel.visible) this.#remote.notify('show', view);
  }
}
