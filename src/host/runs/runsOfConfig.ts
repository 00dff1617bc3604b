import path from 'node:path';
import type * as vscode from 'vscode';
import type { RunSnapshot } from './runFolder.js';

/** The runs that were trained from a config (or that keep it as their copy), in the order given. */
export function runsOf(config: vscode.Uri, runs: readonly RunSnapshot[]): readonly RunSnapshot[] {
  const file = path.resolve(config.fsPath);
  const folder = path.dirname(file);
  return runs.filter((run) => {
    const trained = configFileOf(run);
    return run.directory === folder || (trained !== undefined && samePath(trained, file));
  });
}

/** The config that a run was trained from: told as soon as it is queued, its environment when it starts. */
export function configFileOf({ state, environment }: RunSnapshot): string | undefined {
  return state.configFile ?? environment?.configFile;
}

/** Windows and macOS do not tell cases apart. */
function samePath(a: string, b: string): boolean {
  const fold = (file: string): string =>
    process.platform === 'linux' ? path.resolve(file) : path.resolve(file).toLowerCase();
  return fold(a) === fold(b);
}
