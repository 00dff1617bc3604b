import { existsSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { runFiles } from '../../core/run/run.js';
import { configPattern, isConfig } from './isConfig.js';

/** Enough to choose from. */
const mostConfigs = 200;

/** Whether a config is the copy that a run keeps of its own: it is read, not trained. */
export function isRunCopy({ fsPath }: vscode.Uri): boolean {
  return (
    path.basename(fsPath) === runFiles.config && existsSync(path.join(path.dirname(fsPath), runFiles.state))
  );
}

/** The config that is being looked at: the active editor's, else the only visible one. */
export function openConfig(): vscode.Uri | undefined {
  const active = vscode.window.activeTextEditor?.document.uri;
  if (active !== undefined && isConfig(active) && !isRunCopy(active)) return active;
  const visible = vscode.window.visibleTextEditors
    .map(({ document }) => document.uri)
    .filter((uri) => isConfig(uri) && !isRunCopy(uri));
  return new Set(visible.map(String)).size === 1 ? visible[0] : undefined;
}

/** The configs of the workspace, run copies left out. */
export async function findConfigs(): Promise<readonly vscode.Uri[]> {
  const found = await vscode.workspace.findFiles(configPattern, '**/node_modules/**', mostConfigs);
  return found.filter((uri) => isConfig(uri) && !isRunCopy(uri)).sort((a, b) => a.path.localeCompare(b.path));
}

/**
 * The config that a command means: the open one first, else the only one, else the one the user picks.
 * @returns `none` where the workspace has no config, undefined when the user picks none
 */
export async function pickConfig(): Promise<vscode.Uri | 'none' | undefined> {
  const open = openConfig();
  if (open !== undefined) return open;
  const configs = await findConfigs();
  if (configs.length < 2) return configs[0] ?? 'none';
  const items = configs.map((uri) => ({
    label: path.basename(uri.path),
    description: vscode.workspace.asRelativePath(vscode.Uri.joinPath(uri, '..')),
    uri,
  }));
  const picked = await vscode.window.showQuickPick(items, {
    title: 'Train DCNet',
    placeHolder: 'Which config?',
  });
  return picked?.uri;
}
