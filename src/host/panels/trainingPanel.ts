import path from 'node:path';
import type * as vscode from 'vscode';
import { asDcnetError, DcnetError } from '../../core/errors.js';
import { thinMetrics } from '../../core/run/thin.js';
import type { Handlers, Remote } from '../../protocol/channel.js';
import {
  type TrainingView,
  trainingHostContract,
  trainingPanelContract,
} from '../../protocol/panels/training.js';
import { Debounce, Owner } from '../lifecycle.js';
import type { RunStore } from '../runs/runStore.js';
import { saveFile } from './saveFile.js';
import { joinWebview } from './webviewChannel.js';

/** A whole snapshot is sent at most so often. */
const snapshotMs = 250;
/** A chart shows no more than this. */
const mostRecords = 2_000;

type Action = (runDirectory: string) => Promise<unknown>;

/** What the panel's buttons do, besides showing. What they throw is told in the panel. */
export interface TrainingPanelActions {
  readonly pause: Action;
  readonly continue: Action;
  readonly stop: Action;
  readonly resume: Action;
  readonly inspect: Action;
  readonly revealConfig: Action;
  /** The user looks at the run. */
  readonly seen: (runDirectory: string) => void;
}

/** One run's training panel. Data are only gathered while it can be seen. */
export class TrainingPanel extends Owner {
  readonly #remote: Remote<typeof trainingPanelContract>;
  readonly #next = this._register(new Debounce(snapshotMs, () => this.#send(), 'throttle'));

  constructor(
    readonly runDirectory: string,
    readonly panel: vscode.WebviewPanel,
    private readonly runs: RunStore,
    private readonly actions: TrainingPanelActions,
    private readonly log: vscode.LogOutputChannel,
  ) {
    super();
    panel.title = `Training: ${path.basename(runDirectory)}`;
    this.#remote = this._register(
      joinWebview(panel.webview, trainingHostContract, this.#handlers(), trainingPanelContract),
    );
    this._register(
      runs.onDidChange(({ changed }) => {
        if (changed.has(runDirectory) && panel.visible) this.#next.schedule();
      }),
    );
  }

  #handlers(): Handlers<typeof trainingHostContract> {
    const { actions, runDirectory } = this;
    const on = (action: Action) => async () => {
      await action(runDirectory);
      return {};
    };
    return {
      ready: () => this.#view(),
      pause: on(actions.pause),
      continue: on(actions.continue),
      stop: on(actions.stop),
      resume: on(actions.resume),
      inspect: on(actions.inspect),
      revealConfig: on(actions.revealConfig),
      saveFile: (file) => saveFile(path.dirname(path.dirname(runDirectory)), file),
    };
  }

  async #view(): Promise<TrainingView> {
    const { runDirectory, runs } = this;
    this.actions.seen(runDirectory);
    const [run, metrics] = await Promise.all([runs.get(runDirectory), runs.metrics(runDirectory)]);
    if (run === undefined) {
      throw new DcnetError({
        code: 'io',
        message: 'The run’s folder is gone, or its state cannot be read.',
        remedy: 'Close this panel, or put the folder back where it was.',
        file: runDirectory,
      });
    }
    const { state, environment, summary } = run;
    return {
      runDirectory,
      state,
      backend: environment?.backend ?? state.backend,
      device: environment?.device,
      metrics: [...thinMetrics(metrics, mostRecords)],
      summary,
    };
  }

  #send(): void {
    if (!this.panel.visible) return;
    this.#view().then(
      (view) => {
        if (!this.isDisposed) this.#remote.notify('show', view);
      },
      (thrown: unknown) => {
        const error = asDcnetError(thrown);
        this.log.error(error.describe());
        if (!this.isDisposed) this.#remote.notify('failed', error.details);
      },
    );
  }
}
