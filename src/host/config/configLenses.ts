import * as vscode from 'vscode';
import { Owner } from '../lifecycle.js';
import { percent, runActions } from '../runs/describe.js';
import type { RunSnapshot } from '../runs/runFolder.js';
import type { RunStore, RunsChange } from '../runs/runStore.js';
import { runsOf } from '../runs/runsOfConfig.js';
import { isRunCopy } from './configFiles.js';

/** Above a config: train it, and what came of the last time. */
export class ConfigLenses extends Owner implements vscode.CodeLensProvider {
  readonly #changed = this._register(new vscode.EventEmitter<void>());
  readonly onDidChangeCodeLenses = this.#changed.event;
  #shown = '';

  constructor(private readonly runs: RunStore) {
    super();
    this._register(runs.onDidChange((change) => this.#refresh(change)));
  }

  async provideCodeLenses(document: vscode.TextDocument): Promise<vscode.CodeLens[]> {
    const copy = isRunCopy(document.uri);
    const [latest] = runsOf(document.uri, await this.runs.list());
    const commands: vscode.Command[] = copy
      ? []
      : [{ command: 'dcnet.train', title: '$(play) Train', arguments: [document.uri] }];
    if (latest !== undefined) commands.push(...this.#commandsFor(latest));
    const top = new vscode.Range(0, 0, 0, 0);
    return commands.map((command) => new vscode.CodeLens(top, command));
  }

  #commandsFor(run: RunSnapshot): vscode.Command[] {
    const { directory, name, state } = run;
    const actions = runActions(run, this.runs.isOwned(directory));
    const argument = [{ runDirectory: directory }];
    const commands: vscode.Command[] = [];
    if (actions.has('pause'))
      commands.push({ command: 'dcnet.pauseRun', title: '$(debug-pause) Pause', arguments: argument });
    if (actions.has('continue'))
      commands.push({
        command: 'dcnet.continueRun',
        title: '$(debug-continue) Continue',
        arguments: argument,
      });
    if (actions.has('stop'))
      commands.push({ command: 'dcnet.stopRun', title: '$(debug-stop) Stop', arguments: argument });
    const result = state.testAccuracy === undefined ? state.status : percent(state.testAccuracy);
    commands.push({
      command: 'dcnet.openTrainingPanel',
      title: `$(graph-line) Show training: ${name}, ${result}`,
      arguments: argument,
    });
    if (actions.has('inspect'))
      commands.push({
        command: 'dcnet.inspectLayers',
        title: '$(layers) Inspect layers',
        arguments: argument,
      });
    return commands;
  }

  /** Lenses move the text under the reader's eyes: they are only asked for again when they would differ. */
  #refresh({ runs }: RunsChange): void {
    const shown = runs
      .map((run) => [
        run.directory,
        run.state.status,
        run.state.testAccuracy,
        run.checkpoints.length > 0,
        this.runs.isOwned(run.directory),
      ])
      .join('\n');
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#changed.fire();
  }
}
