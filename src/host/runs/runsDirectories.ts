import path from 'node:path';
import * as vscode from 'vscode';

/** The folders that runs of this workspace are written to; they need not exist yet. */
export function workspaceRunsDirectories(): readonly string[] {
  return (vscode.workspace.workspaceFolders ?? [])
    .filter(({ uri }) => uri.scheme === 'file')
    .map(({ uri }) => runsDirectoryIn(uri, uri.fsPath));
}

/** Where the runs of a config go: into its workspace folder, or beside it when it is in none. */
export function runsDirectoryOf(config: vscode.Uri): string {
  const folder = vscode.workspace.getWorkspaceFolder(config);
  return runsDirectoryIn(config, folder?.uri.fsPath ?? path.dirname(config.fsPath));
}

function runsDirectoryIn(scope: vscode.Uri, base: string): string {
  const setting = vscode.workspace
    .getConfiguration('dcnet', scope)
    .get<string>('runsDirectory', 'runs')
    .trim();
  return path.resolve(base, setting === '' ? 'runs' : setting);
}
