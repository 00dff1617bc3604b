import path from 'node:path';
import type * as vscode from 'vscode';
import { asDcnetError, DcnetError } from '../../core/errors.js';
import { checkpointExtension } from '../../core/run/run.js';
import type { ErrorAnalysis } from '../../core/verdict/analysis.js';
import type { Handlers, Remote } from '../../protocol/channel.js';
import type { WorkProgress } from '../../protocol/engine.js';
import {
  type ErrorPicture,
  type ErrorsView,
  errorsHostContract,
  errorsPanelContract,
} from '../../protocol/panels/errors.js';
import type { CheckpointAction } from '../../protocol/panels/shared.js';
import type { EngineClient } from '../engine/engineClient.js';
import { Owner } from '../lifecycle.js';
import { type LayerTarget, layerTarget } from './layerPanel.js';
import { saveFile } from './saveFile.js';
import { readStoredErrors } from './storedInspection.js';
import { joinWebview } from './webviewChannel.js';

/** The split that errors are explained on. */
const split = 'test';

export interface ErrorsPanelServices {
  /** The engine that analyses; asked only in a trusted workspace. */
  readonly engine: EngineClient['request'];
  /** Let the user pick another checkpoint; undefined when they pick none. */
  readonly pickSecond: (first: string) => Promise<string | undefined>;
  readonly act: (action: CheckpointAction, target: LayerTarget) => Promise<unknown>;
  readonly runAction: (command: 'train' | 'createSample') => Promise<unknown>;
  readonly log: vscode.LogOutputChannel;
}

/** The panel on one checkpoint's errors, alone or beside those of a second checkpoint. */
export class ErrorsPanel extends Owner {
  readonly #remote: Remote<typeof errorsPanelContract>;
  #target: LayerTarget | undefined;
  #second: string | undefined;
  #view: ErrorsView = emptyView('train');
  #explaining: AbortController | undefined;
  /** The last picture of this run. */
  #last: ErrorPicture | undefined;

  constructor(
    readonly panel: vscode.WebviewPanel,
    private readonly services: ErrorsPanelServices,
  ) {
    super();
    this.#remote = this._register(
      joinWebview(panel.webview, errorsHostContract, this.#handlers(), errorsPanelContract),
    );
    this._register({ dispose: () => this.#explaining?.abort() });
  }

  get target(): LayerTarget | undefined {
    return this.#target;
  }

  /** The checkpoint that is compared with. */
  get second(): string | undefined {
    return this.#second;
  }

  /** Show a checkpoint's errors. */
  async open(target: LayerTarget, second?: string): Promise<void> {
    if (this.#target?.runDirectory !== target.runDirectory) this.#last = undefined;
    this.#target = target;
    this.#second = second;
    this.panel.title = `Errors: ${path.basename(target.runDirectory)}`;
    await this.#explain();
  }

  /** Nothing to show yet: teach how to get it. */
  openEmpty(command: 'train' | 'createSample'): void {
    this.#explaining?.abort();
    this.#target = undefined;
    this.#last = undefined;
    this.#show(emptyView(command));
  }

  #handlers(): Handlers<typeof errorsHostContract> {
    const { services } = this;
    const done = {};
    return {
      ready: () => ({ view: this.#view }),
      cancel: () => {
        this.#explaining?.abort();
        return done;
      },
      retry: () => {
        void this.#explain();
        return done;
      },
      runAction: async ({ command }) => {
        await services.runAction(command);
        return done;
      },
      evidence: ({ of, index }, { signal }) =>
        services.engine('errorEvidence', { checkpoint: this.#checkpoint(of), split, index }, { signal }),
      images: ({ indices }, { signal }) =>
        services.engine('images', { checkpoint: this.#checkpoint('first'), split, indices }, { signal }),
      compare: async () => {
        const second = await services.pickSecond(this.#checkpoint('first'));
        if (second === undefined) return done;
        this.#second = second;
        void this.#explain();
        return done;
      },
      stopComparing: () => {
        this.#second = undefined;
        void this.#explain();
        return done;
      },
      attack: (chosen, { signal, report }) =>
        services.engine(
          'attack',
          { checkpoint: this.#checkpoint('first'), split, ...chosen },
          { signal, onProgress: report },
        ),
      attackedImages: (chosen, { signal }) =>
        services.engine(
          'attackedImages',
          { checkpoint: this.#checkpoint('first'), split, ...chosen },
          { signal },
        ),
      act: async ({ action }) => {
        if (this.#target !== undefined) await services.act(action, this.#target);
        return done;
      },
      saveFile: (file) => saveFile(path.dirname(this.#target?.runDirectory ?? process.cwd()), file),
    };
  }

  #checkpoint(of: 'first' | 'second'): string {
    const checkpoint = of === 'first' ? this.#target?.checkpoint : this.#second;
    if (checkpoint !== undefined) return checkpoint;
    throw new DcnetError({
      code: 'usage',
      message: 'There is no such checkpoint in this panel any more.',
      remedy: 'Choose an image that is shown now.',
    });
  }

  async #explain(): Promise<void> {
    const target = this.#target;
    if (target === undefined) return;
    const abort = new AbortController();
    this.#explaining?.abort();
    this.#explaining = abort;
    const second = this.#second;
    const stillWanted = (): boolean => this.#explaining === abort && !this.isDisposed;
    const one = async (checkpoint: string): Promise<ErrorAnalysis> => {
      const stored = await readStoredErrors(layerTarget(checkpoint).runDirectory, checkpoint);
      if (stored !== undefined) return stored;
      const progressed = (progress: WorkProgress): void => {
        const name = path.basename(checkpoint, checkpointExtension);
        if (stillWanted() && !abort.signal.aborted)
          this.#show({ status: 'loading', checkpoint: name, progress, previous: this.#last });
      };
      progressed({ activity: 'Starting', done: 0, total: 1 });
      return this.services.engine(
        'explainErrors',
        { checkpoint, split },
        { signal: abort.signal, onProgress: progressed },
      );
    };
    try {
      const analysis = await one(target.checkpoint);
      if (!stillWanted()) return;
      if (second === undefined) {
        this.#show({ status: 'full', picture: { analysis } });
        return;
      }
      this.#last = { analysis };
      const other = await one(second);
      requireSameData(analysis, other);
      if (stillWanted()) this.#show({ status: 'full', picture: { analysis, second: other } });
    } catch (thrown) {
      const error = asDcnetError(thrown);
      if (!abort.signal.aborted) this.services.log.error(error.describe());
      if (!stillWanted()) return;
      // What cannot be compared with does not take the picture along.
      if (this.#last?.second === undefined && this.#last !== undefined) this.#second = undefined;
      this.#show({ status: 'error', error: error.details, previous: this.#last });
    }
  }

  #show(view: ErrorsView): void {
    this.#view = view;
    if (view.status === 'full') this.#last = view.picture;
    // A hidden document asks when it is shown again.
    if (this.panel.visible) this.#remote.notify('show', view);
  }
}

/** Two checkpoints can only be compared on the same images. */
function requireSameData(a: ErrorAnalysis, b: ErrorAnalysis): void {
  const same = a.labels.length === b.labels.length && a.labels.every((label, i) => label === b.labels[i]);
  if (same && a.data === b.data) return;
  throw new DcnetError({
    code: 'usage',
    message: `The other checkpoint was trained on ${b.data}, not on ${a.data}: their images are not the same.`,
    remedy: 'Choose a checkpoint that was trained on the same data.',
    file: b.checkpoint,
  });
}

function emptyView(command: 'train' | 'createSample'): ErrorsView {
  const message =
    'A trained network shows here which images it gets wrong, and whether norm or angle is to blame.';
  return command === 'train'
    ? { status: 'empty', message, action: { label: 'Train DCNet', command } }
    : { status: 'empty', message, action: { label: 'Create a Sample Network', command } };
}
