import { createHash } from 'node:crypto';
import path from 'node:path';
import { type ExtensionContext, workspace } from 'vscode';

// Apart from the rest, because activation needs it: what it imports is loaded with every window.

export interface EngineFiles {
  readonly presenceFile: string;
  readonly logFile: string;
}

/** Where the engine that trains leaves word of itself: found again by the window that opens this workspace next. */
export function trainingFiles(context: ExtensionContext): EngineFiles {
  const name = `engine-training-${workspaceKey()}`;
  return { presenceFile: inStorage(context, `${name}.json`), logFile: inStorage(context, `${name}.log`) };
}

/** Where the engine that analyses does: it belongs to this window, and ends with it. */
export function analysisFiles(context: ExtensionContext): EngineFiles {
  return {
    presenceFile: inStorage(context, `engine-analysis-${process.pid}.json`),
    logFile: inStorage(context, `engine-analysis-${workspaceKey()}.log`),
  };
}

/** Where a window notes what the engine that was started last computes with. */
export function runtimeFile(context: ExtensionContext): string {
  return inStorage(context, 'runtime.json');
}

/**
 * Stands for the workspace. Its own storage folder would not do: while a reloaded window's predecessor still holds it,
 * VS Code gives the new window another.
 */
function workspaceKey(): string {
  const places =
    workspace.workspaceFile ?? (workspace.workspaceFolders ?? []).map(({ uri }) => uri.toString());
  return createHash('sha256').update(places.toString()).digest('hex').slice(0, 16);
}

function inStorage(context: ExtensionContext, name: string): string {
  return path.join(context.globalStorageUri.fsPath, name);
}
