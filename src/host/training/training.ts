import path from 'node:path';
import * as vscode from 'vscode';
import { DcnetError } from '../../core/errors.js';
import type { RunState } from '../../core/run/run.js';
import { pickConfig } from '../config/configFiles.js';
import type { EngineClient } from '../engine/engineClient.js';
import type { RunAction } from '../runs/describe.js';
import { pickRun, targetOf } from '../runs/pickRun.js';
import type { RunStore } from '../runs/runStore.js';
import { runsDirectoryOf } from '../runs/runsDirectories.js';

type Steering = 'pauseRun' | 'continueRun' | 'stopRun' | 'resumeRun';

/** The commands that start and steer runs. */
export class Training {
  constructor(
    private readonly engine: EngineClient,
    private readonly runs: RunStore,
    private readonly showRun: (runDirectory: string) => Promise<void>,
  ) {}

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
    const started = this.engine.request('startRun', {
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
    const halve = targetOf(argument)?.halve;
    // A runtime that ran out of memory gives it back when its process ends.
    if (halve === true && this.runs.known.every(({ directory }) => !this.runs.isOwned(directory)))
      this.engine.end();
    const state = await this.#steer('resume', 'resumeRun', argument, { halve });
    if (state !== undefined) this.#sayIfQueued(state.name, state);
  }

  async #steer(
    action: RunAction,
    request: Steering,
    argument: unknown,
    options: { readonly halve?: boolean | undefined } = {},
  ): Promise<RunState | undefined> {
    const run = await pickRun(this.runs, action, argument);
    if (run === undefined) return undefined;
    const { state } = await this.engine.request(request, { runDirectory: run.directory, ...options });
    this.runs.engineSays(run.directory, state);
    return state;
  }

  #sayIfQueued(name: string, { status, queuePosition }: RunState): void {
    if (status !== 'queued' || queuePosition === undefined) return;
    const ahead = queuePosition === 1 ? 'the run before it is' : `the ${queuePosition} runs before it are`;
    void vscode.window.showInformationMessage(
      `${name} is queued, place ${queuePosition}: it starts when ${ahead} over.`,
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
