import path from 'node:path';
import * as vscode from 'vscode';
import { DcnetError } from '../../core/errors.js';
import type { RunState } from '../../core/run/run.js';
import type { OtherRuntime } from '../../protocol/engine.js';
import { pickConfig } from '../config/configFiles.js';
import type { EngineClient } from '../engine/engineClient.js';
import type { Engines } from '../engine/engines.js';
import type { RunAction } from '../runs/describe.js';
import { pickRun, targetOf } from '../runs/pickRun.js';
import type { RunStore } from '../runs/runStore.js';
import { runsDirectoryOf } from '../runs/runsDirectories.js';

type Steering = 'pauseRun' | 'continueRun' | 'stopRun';

/** The commands that start and steer runs. */
export class Training {
  readonly #engine: EngineClient;

  constructor(
    private readonly engines: Engines,
    private readonly runs: RunStore,
    private readonly showRun: (runDirectory: string) => Promise<void>,
  ) {
    this.#engine = engines.training;
  }

  /**
   * Train a config: the one given, else the one that is open, else the only one; asks only where it must choose.
   * @returns the run's folder; undefined when the user chose none
   */
  async train(argument: unknown): Promise<string | undefined> {
    requireTrust();
    const config = argument instanceof vscode.Uri ? argument : await pickConfig();
    if (config === undefined) return undefined;
    if (config === 'none') {
      await offerSample();
      return undefined;
    }
    const document = await vscode.workspace.openTextDocument(config);
    if (document.isDirty) await document.save();
    this.#trainAsSet();
    const started = this.#engine.request('startRun', {
      configFile: config.fsPath,
      configText: document.getText(),
      runsDirectory: runsDirectoryOf(config),
    });
    vscode.window.setStatusBarMessage('$(loading~spin) DCNet: starting…', started.then(nothing, nothing));
    const { runDirectory, state } = await started;
    this.runs.engineSays(runDirectory, state);
    await this.showRun(runDirectory);
    this.#sayIfQueued(path.basename(runDirectory), state);
    return runDirectory;
  }

  pause = (argument: unknown) => this.#steer('pause', 'pauseRun', argument);
  continue = (argument: unknown) => this.#steer('continue', 'continueRun', argument);
  stop = (argument: unknown) => this.#steer('stop', 'stopRun', argument);

  async resume(argument: unknown): Promise<void> {
    requireTrust();
    const run = await pickRun(this.runs, 'resume', argument);
    if (run === undefined) return;
    const { halve, on: asked } = targetOf(argument) ?? {};
    const on = this.#runtimeFor(run.directory, asked);
    // A runtime that ran out of memory gives it back when its process ends.
    if (halve === true && !this.#isTraining) this.#engine.end();
    const request = { runDirectory: run.directory, halve, on };
    const { state } = await this.#engine.request('resumeRun', request);
    this.runs.engineSays(run.directory, state);
    this.#sayIfQueued(state.name, state);
  }

  async #steer(action: RunAction, request: Steering, argument: unknown): Promise<void> {
    const run = await pickRun(this.runs, action, argument);
    if (run === undefined) return;
    const { state } = await this.#engine.request(request, { runDirectory: run.directory });
    this.runs.engineSays(run.directory, state);
  }

  get #isTraining(): boolean {
    return this.runs.known.some(({ directory }) => this.runs.isOwned(directory));
  }

  /**
   * Have a run that goes on computed with another runtime than the settings name: the one that is asked for, or that it went on
   * with before.
   * @returns `undefined` where the settings count
   * @throws DcnetError `usage` where runs with the one of the settings are under way
   */
  #runtimeFor(runDirectory: string, asked: OtherRuntime | undefined): OtherRuntime | undefined {
    const { instead } = this.engines;
    const on = asked ?? (instead?.runs.includes(runDirectory) === true ? instead : undefined);
    if (on === undefined) {
      this.#trainAsSet();
      return undefined;
    }
    const { backend, because } = on;
    const isTheirs = instead?.backend === backend;
    if (!isTheirs && this.#isTraining)
      throw new DcnetError({
        code: 'usage',
        message: `Other runs are under way with another runtime than ${backend}.`,
        remedy: 'Wait for them, or stop them, and resume this one then.',
      });
    const before = isTheirs ? instead.runs.filter((run) => run !== runDirectory) : [];
    this.engines.trainInstead({ backend, because, runs: [...before, runDirectory] });
    return { backend, because };
  }

  /** A run that asks for nothing else is computed with what the settings name, where that needs no other to be stopped. */
  #trainAsSet(): void {
    if (!this.#isTraining) this.engines.trainAsSet();
  }

  #sayIfQueued(name: string, { status, queuePosition }: RunState): void {
    if (status !== 'queued' || queuePosition === undefined) return;
    const ahead = queuePosition === 1 ? 'the run before it' : `the ${queuePosition} runs before it`;
    const are = queuePosition === 1 ? 'is' : 'are';
    const { instead } = this.engines;
    const as = instead === undefined ? '' : ` It is computed with ${instead.backend}, as ${ahead}.`;
    void vscode.window.showInformationMessage(
      `${name} is queued, place ${queuePosition}: it starts when ${ahead} ${are} over.${as}`,
    );
  }
}

const nothing = (): void => undefined;

async function offerSample(): Promise<void> {
  const create = 'Create a Sample Network';
  const chosen = await vscode.window.showInformationMessage(
    'There is no config (*.dcnet.json) in this workspace yet.',
    create,
  );
  if (chosen === create) await vscode.commands.executeCommand('dcnet.createSample');
}

/** @throws DcnetError `usage` in a workspace that is not trusted */
export function requireTrust(): void {
  if (vscode.workspace.isTrusted) return;
  throw new DcnetError({
    code: 'usage',
    message: 'This workspace is not trusted, and training starts a process and writes files.',
    remedy: 'Trust it first: Workspaces: Manage Workspace Trust.',
  });
}
