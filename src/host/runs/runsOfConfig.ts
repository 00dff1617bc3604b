import path from 'node:path';
import type * as vscode from 'vscode';
import type { RunSnapshot } from './runFolder.js';

/** The runs that were trained from a config (or that keep it as their copy), in the order given. */
export function runsOf(config: vscode.Uri, runs: readonly RunSnapshot[]): readonly RunSnapshot[] {
  const file = path.resolve(config.fsPath);
  const folder = path.dirname(file);
  return runs.filter(({ directory, environment }) => {
    if (directory === folder) return true;
    return environment?.configFile !== undefined && samePath(environment.configFile, file);
  });
}

/** Windows and macOS do not tell cases apart. */
function samePath(a: string, b: string): boolean {
  const fold = (file: string): string =>
    process.platform === 'linux' ? path.resolve(file) : path.resolve(file).toLowerCase();
  return fold(a) === fold(b);
}
