import path from 'node:path';
import * as vscode from 'vscode';
import { DcnetError } from '../../core/errors.js';
import { checkpointExtension, configExtension } from '../../core/run/run.js';
import { readTensorHeader } from '../tensors/tensorReader.js';

export const configScheme = 'dcnet-config';

/**
 * The config that a checkpoint holds, as a document: `dcnet-config:/run/epoch-0003.dcnet.json?<the checkpoint's file>`.
 * @param name what to call it; left out: the checkpoint's own name
 */
export function configUri(checkpoint: string, name?: string): vscode.Uri {
  const run = path.basename(path.dirname(path.dirname(checkpoint)));
  const stem = name ?? `${run}/${path.basename(checkpoint, checkpointExtension)}`;
  return vscode.Uri.from({
    scheme: configScheme,
    path: `/${stem.replaceAll(' / ', '/')}${configExtension}`,
    query: checkpoint,
  });
}

/** Gives VS Code the configs inside checkpoints as read-only documents. */
export class ConfigDocuments implements vscode.TextDocumentContentProvider {
  async provideTextDocumentContent({ query }: vscode.Uri): Promise<string> {
    const { metadata } = await readTensorHeader(query);
    if (metadata.configText !== undefined) return metadata.configText;
    throw new DcnetError({
      code: 'checkpoint',
      message: 'The file holds no config: it is not a checkpoint of a decoupled network.',
      remedy: 'Choose a checkpoint that a training wrote.',
      file: query,
    });
  }
}
