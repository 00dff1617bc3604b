import * as vscode from 'vscode';
import { isOver } from '../../core/run/run.js';
import { describeRuntime, explainRuntime } from '../../core/run/runtime.js';
import type { LastRuntime, RuntimeMemory } from '../engine/lastRuntime.js';
import { Owner } from '../lifecycle.js';
import { percent } from '../runs/describe.js';
import type { RunSnapshot } from '../runs/runFolder.js';
import type { RunStore } from '../runs/runStore.js';

/**
 * The status bar's word on the run under way, and on one that just failed until it is looked at; else on what would compute
 * one, where that is known.
 */
export class TrainingStatus extends Owner {
  readonly #item = this._register(
    vscode.window.createStatusBarItem('dcnet.training', vscode.StatusBarAlignment.Left, 50),
  );
  /** Runs seen under way in this window: only their failure is news. */
  readonly #seen = new Set<string>();
  #failed: string | undefined;

  constructor(
    private readonly runs: RunStore,
    private readonly memory: RuntimeMemory,
  ) {
    super();
    this.#item.name = 'DCNet Training';
    this._register(runs.onDidChange(() => this.#show()));
    this._register(memory.onDidChange(() => this.#show()));
    this.#show();
  }

  /** The user looks at a run: its failure is no longer news. */
  acknowledge(runDirectory: string): void {
    if (this.#failed !== runDirectory) return;
    this.#failed = undefined;
    this.#show();
  }

  #show(): void {
    const runs = this.runs.known;
    const underWay = runs.filter(({ state }) => !isOver(state.status));
    const queued = underWay.filter(({ state }) => state.status === 'queued');
    const current = underWay.find(({ state }) => state.status !== 'queued') ?? queued.at(-1);
    for (const { directory } of underWay) {
      this.#seen.add(directory);
      if (directory === this.#failed) this.#failed = undefined; // it goes on
    }
    for (const { directory, state } of runs) {
      if (!this.#seen.has(directory) || !isOver(state.status)) continue;
      this.#seen.delete(directory);
      if (state.status === 'failed') this.#failed = directory;
    }
    const failed = runs.find(({ directory }) => directory === this.#failed);
    void vscode.commands.executeCommand('setContext', 'dcnet.training', current !== undefined);
    if (current !== undefined) this.#fill(current, queued.filter((run) => run !== current).length);
    else if (failed !== undefined) this.#fillFailed(failed);
    else if (this.memory.last !== undefined) this.#fillRuntime(this.memory.last);
    else this.#item.hide();
  }

  #fill(run: RunSnapshot, queued: number): void {
    const { state, directory, name } = run;
    const loss = state.loss === undefined ? [] : [`loss ${state.loss.toPrecision(3)}`];
    const backend = state.backend === undefined ? [] : [state.backend];
    const waiting = queued === 0 ? [] : [`${queued} queued`];
    const epoch = `epoch ${state.epoch}/${state.epochs}`;
    const parts =
      state.status === 'running'
        ? [epoch, ...loss, ...backend]
        : state.status === 'paused'
          ? ['paused', epoch, ...loss]
          : [state.status];
    const icon =
      state.status === 'paused' ? 'debug-pause' : state.status === 'queued' ? 'clock' : 'loading~spin';
    this.#item.text = `$(${icon}) DCNet ${[...parts, ...waiting].join(' · ')}`;
    this.#item.accessibilityInformation = { label: `DCNet: ${name}, ${[...parts, ...waiting].join(', ')}` };
    this.#item.tooltip = tooltip(run, queued);
    this.#item.backgroundColor = undefined;
    this.#command(directory);
  }

  #fillFailed({ name, directory, state }: RunSnapshot): void {
    this.#item.text = '$(error) DCNet failed';
    this.#item.accessibilityInformation = { label: `DCNet: ${name} failed` };
    this.#item.tooltip = `${name} failed: ${state.error?.message ?? 'see the log'}`;
    this.#item.backgroundColor = new vscode.ThemeColor('statusBarItem.errorBackground');
    this.#command(directory);
  }

  #fillRuntime({ runtime, startedAt, isInUse }: LastRuntime): void {
    const when = isInUse ? '' : `, as when an engine was last started (${startedAt.toLocaleString()})`;
    const lines = [
      `Trainings are computed by ${describeRuntime(runtime)}${when}.`,
      ...explainRuntime(runtime),
    ];
    this.#item.text = `$(chip) DCNet ${runtime.name}`;
    this.#item.accessibilityInformation = { label: `DCNet: trainings are computed by ${runtime.name}` };
    this.#item.tooltip = new vscode.MarkdownString(lines.join('  \n'));
    this.#item.backgroundColor = undefined;
    this.#item.command = 'dcnet.doctor';
    this.#item.show();
  }

  #command(runDirectory: string): void {
    this.#item.command = {
      command: 'dcnet.openTrainingPanel',
      title: 'Open Training Panel',
      arguments: [{ runDirectory }],
    };
    this.#item.show();
  }
}

function tooltip({ name, state }: RunSnapshot, queued: number): vscode.MarkdownString {
  const lines = [`**${name}**: ${state.status}`, `step ${state.step} of ${state.totalSteps}`];
  if (state.imagesPerSecond !== undefined) lines.push(`${Math.round(state.imagesPerSecond)} images/s`);
  if (state.secondsLeft !== undefined) lines.push(`${Math.ceil(state.secondsLeft)} s left`);
  if (state.testAccuracy !== undefined) lines.push(`test accuracy ${percent(state.testAccuracy)}`);
  if (queued > 0) lines.push(`${queued} more queued`);
  if (state.runtime !== undefined)
    lines.push(`computed by ${describeRuntime(state.runtime)}`, ...explainRuntime(state.runtime));
  return new vscode.MarkdownString(lines.join('  \n'));
}
