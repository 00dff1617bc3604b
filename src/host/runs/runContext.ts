import * as vscode from 'vscode';
import { Owner } from '../lifecycle.js';
import { type RunAction, runActions } from './describe.js';
import type { RunStore } from './runStore.js';

const keys: readonly (readonly [RunAction, string])[] = [
  ['pause', 'dcnet.canPause'],
  ['continue', 'dcnet.canContinue'],
  ['stop', 'dcnet.canStop'],
  ['resume', 'dcnet.canResume'],
];

/** Tells `when` clauses what can be done to some run. */
export class RunContext extends Owner {
  readonly #told = new Map<string, boolean>();

  constructor(private readonly runs: RunStore) {
    super();
    this._register(runs.onDidChange(() => this.#tell()));
    this.#tell();
  }

  #tell(): void {
    const possible = new Set(
      this.runs.known.flatMap((run) => [...runActions(run, this.runs.isOwned(run.directory))]),
    );
    for (const [action, key] of keys) {
      const value = possible.has(action);
      if (this.#told.get(key) === value) continue;
      this.#told.set(key, value);
      void vscode.commands.executeCommand('setContext', key, value);
    }
  }
}
