import path from 'node:path';
import * as vscode from 'vscode';
import type { ComparedFile } from '../../protocol/engine.js';
import { targetOf } from '../runs/pickRun.js';
import { newestCheckpoint } from '../runs/runFolder.js';
import type { RunStore } from '../runs/runStore.js';

/** What safetensors files end in; checkpoints are some of them. */
const tensorFile = /\.safetensors$/;

/** The checkpoint that a command was called on: a file, a checkpoint's row, or a run's newest one. */
export async function checkpointOf(argument: unknown, runs: RunStore): Promise<string | undefined> {
  const uri = uriOf(argument);
  if (uri !== undefined) return tensorFile.test(uri.path) ? uri.fsPath : undefined;
  const target = targetOf(argument);
  if (target === undefined) return undefined;
  return target.checkpoint ?? newestCheckpoint(await runs.get(target.runDirectory))?.file;
}

/** The file of the Explorer, or of a row of the source control view. */
export function uriOf(argument: unknown): vscode.Uri | undefined {
  if (argument instanceof vscode.Uri) return argument;
  const { resourceUri } = (argument ?? {}) as { readonly resourceUri?: unknown };
  return resourceUri instanceof vscode.Uri ? resourceUri : undefined;
}

/** `best`, of a path. */
export function shortName(file: string): string {
  return path.basename(file).replace(/(\.dcnet)?\.safetensors$/, '');
}

/** A side of a comparison, in words. */
export function labelOf({ file, standsFor }: ComparedFile): string {
  const place = standsFor?.file ?? file;
  const folder = path.dirname(place);
  const run = path.basename(folder) === 'checkpoints' ? `${path.basename(path.dirname(folder))} / ` : '';
  return `${run}${standsFor?.name ?? shortName(file)}`;
}
