import path from 'node:path';
import type { ExtensionContext } from 'vscode';

// Apart from the rest, because activation needs it: what it imports is loaded with every window.

export interface EngineFiles {
  readonly presenceFile: string;
  readonly logFile: string;
}

/** Where the engine that trains leaves word of itself: found again by the window that opens this workspace next. */
export function trainingFiles(context: ExtensionContext): EngineFiles {
  return filesNamed(context, 'training');
}

/** Where the engine that analyses does: it belongs to this window, and ends with it. */
export function analysisFiles(context: ExtensionContext): EngineFiles {
  return filesNamed(context, `analysis-${process.pid}`);
}

function filesNamed(context: ExtensionContext, name: string): EngineFiles {
  const folder = (context.storageUri ?? context.globalStorageUri).fsPath;
  return {
    presenceFile: path.join(folder, `engine-${name}.json`),
    logFile: path.join(folder, `engine-${name}.log`),
  };
}
