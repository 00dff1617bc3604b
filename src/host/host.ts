import * as vscode from 'vscode';
import { attackNames, defaultEpsilons } from '../core/attack/attack.js';
import { DcnetError } from '../core/errors.js';
import type { CheckpointAction } from '../protocol/panels/shared.js';
import { Comparing } from './compare/comparing.js';
import { ConfigDocuments, configScheme } from './compare/configDocuments.js';
import { ConfigHover } from './config/configHover.js';
import { ConfigLenses } from './config/configLenses.js';
import { ConfigReader } from './config/configReader.js';
import { ConfigDiagnostics } from './config/diagnostics.js';
import { configPattern, isConfig } from './config/isConfig.js';
import { LayerHints } from './config/layerHints.js';
import { LayerLenses } from './config/layerLenses.js';
import { MeasuredNetworks } from './config/measuredNetworks.js';
import { Presets } from './config/presets.js';
import { ConfigQuickFixes } from './config/quickFixes.js';
import { Doctor } from './doctor.js';
import { downloadDataSet } from './downloadData.js';
import type { EngineClient } from './engine/engineClient.js';
import { runtimeFile } from './engine/engineFiles.js';
import { configuredNode, Engines } from './engine/engines.js';
import { RuntimeMemory } from './engine/lastRuntime.js';
import { showError } from './errors.js';
import { Owner } from './lifecycle.js';
import { LayerCursor } from './panels/layerCursor.js';
import { type LayerTarget, layerTarget } from './panels/layerPanel.js';
import { Panels } from './panels/panels.js';
import { exportReport, exportRobustness } from './report.js';
import { chooseAttack, usualAttack } from './runs/attackChoice.js';
import { FileActions } from './runs/fileActions.js';
import { pickCheckpoint } from './runs/pickCheckpoint.js';
import { choose, latestInspectable, type RunTarget, targetOf } from './runs/pickRun.js';
import { RunContext } from './runs/runContext.js';
import { newestCheckpoint } from './runs/runFolder.js';
import { RunStore } from './runs/runStore.js';
import { createSample } from './sample.js';
import { setUpTensorflow } from './setUpTensorflow.js';
import { setUpWebgpu } from './setUpWebgpu.js';
import { notifyEngineDied, notifyFinished } from './training/notifications.js';
import { requireTrust, Training } from './training/training.js';
import { TrainingStatus } from './training/trainingStatus.js';

/** Everything behind the commands, put together when it is first needed. */
export class Host extends Owner {
  readonly runs: RunStore;
  readonly training: Training;
  readonly files: FileActions;
  readonly presets: Presets;
  readonly doctor: Doctor;
  readonly panels: Panels;
  readonly comparing: Comparing;
  readonly #engines: Engines;

  constructor(
    private readonly context: vscode.ExtensionContext,
    readonly log: vscode.LogOutputChannel,
    /** The tree's selected row: what its keys act on. */
    readonly selectedRow: () => unknown,
  ) {
    super();
    const runs = this._register(new RunStore(log));
    this.runs = runs;
    const memory = this._register(new RuntimeMemory(runtimeFile(context), log));
    const engines = this._register(this.#makeEngines(memory));
    this.#engines = engines;
    const status = this._register(new TrainingStatus(runs, memory));
    this._register(new RunContext(runs));
    this.files = new FileActions(runs, (from, to) => this.panels.runMoved(from, to));
    this.training = new Training(engines, runs, (runDirectory) => this.panels.openTraining(runDirectory));
    this.doctor = this._register(new Doctor(() => engines.analysis.request('doctor', {}), configuredNode));

    const reader = this._register(
      new ConfigReader((configFile, configText) =>
        engines.analysis.request('describeData', { configFile, configText }),
      ),
    );
    this.presets = new Presets(reader);
    this._register(new ConfigDiagnostics(reader, log));
    this.#explainConfigs(reader);

    const { training, files } = this;
    const on = (action: (target: RunTarget) => Promise<unknown>) => (runDirectory: string) =>
      action({ runDirectory });
    const engine: EngineClient['request'] = async (name, params, options = {}) => {
      requireTrust();
      return engines.analysis.request(name, params, options);
    };
    const pickSecond = (title: string) => (first: string) =>
      pickCheckpoint(runs, title, 'B: what this one is compared with', first);
    const runAction = async (command: string) => vscode.commands.executeCommand(`dcnet.${command}`);
    const act = async (action: CheckpointAction, target: LayerTarget) =>
      vscode.commands.executeCommand(`dcnet.${action}`, target);
    this.comparing = this._register(new Comparing(runs, (pair) => this.panels.openDiff(pair), log));
    this._register(vscode.workspace.registerTextDocumentContentProvider(configScheme, new ConfigDocuments()));
    this.panels = this._register(
      new Panels(context, log, runs, {
        training: {
          pause: on(training.pause),
          continue: on(training.continue),
          stop: on(training.stop),
          resume: on((target) => training.resume(target)),
          inspect: on((target) => this.inspectLayers(target)),
          revealConfig: on((target) => files.openConfig(target)),
          seen: (runDirectory) => status.acknowledge(runDirectory),
        },
        layer: {
          engine,
          cursor: this._register(new LayerCursor(reader)),
          checkpointsOf: async (runDirectory) =>
            ((await runs.get(runDirectory))?.checkpoints ?? [])
              .filter(({ name }) => name !== 'best')
              .map(({ file }) => file),
          pickSecond: pickSecond('Compare Layers'),
          configOf: (runDirectory) => files.configOf(runDirectory),
          act,
          runAction,
          log,
        },
        errors: {
          engine,
          pickSecond: pickSecond('Compare Errors'),
          act,
          runAction,
          log,
        },
        diff: {
          engine,
          shown: (pair) => this.comparing.shown(pair),
          inspect: (checkpoint) => this.inspectLayers(vscode.Uri.file(checkpoint)),
          pick: () => this.comparing.pick(),
          log,
        },
        compareAgain: async (...compared) => {
          try {
            await this.comparing.again(...compared);
          } catch (thrown) {
            void showError(log, thrown); // not waited for: the message stands until the user answers it
          }
        },
      }),
    );
  }

  /** Find the engine again that an earlier window left running, and show what it does. */
  async attachToEngine(): Promise<void> {
    await this.#engines.training.attach();
  }

  async openTrainingPanel(argument: unknown): Promise<void> {
    const target = targetOf(argument);
    if (target !== undefined) return this.panels.openTraining(target.runDirectory);
    const runs = await this.runs.list();
    const [active] = runs.filter(({ directory }) => this.runs.isOwned(directory));
    const run = active ?? (runs.length < 2 ? runs[0] : await choose('Open Training Panel', runs));
    if (run !== undefined) return this.panels.openTraining(run.directory);
    if (runs.length > 0) return undefined; // the user chose none
    throw new DcnetError({
      code: 'usage',
      message: 'There is no run in this workspace yet.',
      remedy: 'Start one: DCNet: Train DCNet.',
    });
  }

  /** Open the layer panel on a checkpoint, a run's newest one, or the newest run's of a config. */
  async inspectLayers(argument: unknown): Promise<void> {
    const target = await this.#checkpointOf(argument);
    return this.panels.openLayers(target, targetOf(argument)?.layer);
  }

  /** Open the errors panel; the argument is as of `inspectLayers`. */
  async explainErrors(argument: unknown): Promise<void> {
    return this.panels.openErrors(await this.#checkpointOf(argument));
  }

  /** Write the report on a checkpoint (as for `inspectLayers`) where the user says. */
  async exportReport(argument: unknown): Promise<void> {
    const target = await this.#checkpointForReport(argument);
    const { analysis } = this.#engines;
    await exportReport(target, targetOf(argument)?.saveAs, (request, options) =>
      analysis.request('writeReport', request, options),
    );
  }

  /** Attack a checkpoint (as for `inspectLayers`) as the user chooses, and write what comes of it where they say. */
  async robustnessReport(argument: unknown): Promise<void> {
    const target = await this.#checkpointForReport(argument);
    const saveAs = targetOf(argument)?.saveAs;
    const run = await this.runs.get(target.runDirectory);
    const classNames = run?.environment?.data.classNames ?? [];
    const choice =
      saveAs === undefined ? await chooseAttack(this.runs, target.checkpoint, classNames) : usualAttack;
    if (choice === undefined) return;
    const { analysis } = this.#engines;
    const attacks = [...attackNames];
    const epsilons = [...(choice.epsilons ?? defaultEpsilons(choice.norm))];
    await exportRobustness(target, saveAs, (request, options) =>
      analysis.request('robustness', { ...request, ...choice, attacks, epsilons, seed: 1 }, options),
    );
  }

  createSample(): Promise<void> {
    return createSample(this.context);
  }

  downloadData(): Promise<void> {
    return downloadDataSet((request, options) =>
      this.#engines.analysis.request('downloadData', request, options),
    );
  }

  setUpTensorflow(): Promise<void> {
    return setUpTensorflow(
      (variant, options) => this.#engines.analysis.request('setUpTensorflow', { variant }, options),
      () => this.restartEngine(),
    );
  }

  setUpWebgpu(): Promise<void> {
    return setUpWebgpu(
      (options) => this.#engines.analysis.request('setUpWebgpu', {}, options),
      () => this.restartEngine(),
    );
  }

  async restartEngine(): Promise<void> {
    const running = this.runs.known.filter(({ directory }) => this.runs.isOwned(directory));
    if (running.length > 0) {
      const restart = 'Stop and Restart';
      const answer = await vscode.window.showWarningMessage(
        `Restart the engine? This stops ${running.map(({ name }) => name).join(', ')}.`,
        { modal: true, detail: 'A checkpoint is written first, and the run can be resumed from it.' },
        restart,
      );
      if (answer !== restart) return;
    }
    this.#engines.end();
  }

  /** What is told of a config next to its text. */
  #explainConfigs(reader: ConfigReader): void {
    const { languages } = vscode;
    const configs: vscode.DocumentFilter = { scheme: 'file', pattern: configPattern };
    const measured = this._register(new MeasuredNetworks(this.runs));
    const lenses = [new ConfigLenses(this.runs), new LayerLenses(reader, measured)];
    const hints = this._register(new LayerHints(reader));
    const { metadata } = ConfigQuickFixes;
    for (const lens of lenses)
      this._register(languages.registerCodeLensProvider(configs, this._register(lens)));
    this._register(languages.registerInlayHintsProvider(configs, hints));
    this._register(languages.registerHoverProvider(configs, new ConfigHover(reader, measured)));
    this._register(languages.registerCodeActionsProvider(configs, new ConfigQuickFixes(reader), metadata));
  }

  /** The checkpoint that a command was called on or means; undefined where there is none yet. */
  async #checkpointOf(argument: unknown): Promise<LayerTarget | undefined> {
    if (argument instanceof vscode.Uri && !isConfig(argument)) return layerTarget(argument.fsPath);
    const target = targetOf(argument);
    if (target?.checkpoint !== undefined)
      return { runDirectory: target.runDirectory, checkpoint: target.checkpoint };
    const config = argument instanceof vscode.Uri ? argument : undefined;
    const run =
      target === undefined
        ? await latestInspectable(this.runs, config)
        : await this.runs.get(target.runDirectory);
    const checkpoint = newestCheckpoint(run);
    return run && checkpoint && { runDirectory: run.directory, checkpoint: checkpoint.file };
  }

  async #checkpointForReport(argument: unknown): Promise<LayerTarget> {
    requireTrust();
    const target = await this.#checkpointOf(argument);
    if (target !== undefined) return target;
    throw new DcnetError({
      code: 'usage',
      message: 'No run of this workspace has a checkpoint yet.',
      remedy: 'Train one: DCNet: Train DCNet.',
    });
  }

  #makeEngines(memory: RuntimeMemory): Engines {
    const { log, runs } = this;
    const failed = (thrown: unknown): void => void showError(log, thrown);
    const crashes = new Map<string, number>();
    return new Engines(this.context, log, memory, {
      events: {
        runChanged: ({ runDirectory, state }) => runs.engineSays(runDirectory, state),
        runFinished: ({ runDirectory, summary }) => {
          notifyFinished(log, runDirectory, summary).catch(failed);
        },
      },
      onConnected: () => {
        this.#engines.training
          .request('listRuns', {})
          .then((list) => {
            for (const { runDirectory, state } of list) runs.engineSays(runDirectory, state);
          })
          .catch(failed);
      },
      onGone: (death) => {
        const lost = runs.engineGone();
        if (death !== undefined && lost.length > 0) notifyEngineDied(log, lost, death, crashes).catch(failed);
      },
    });
  }
}
