import path from 'node:path';
import * as vscode from 'vscode';
import { reportFileName, robustnessFileName } from '../core/run/names.js';
import { checkpointExtension } from '../core/run/run.js';
import type { WorkProgress } from '../protocol/engine.js';
import type { LayerTarget } from './panels/layerPanel.js';

interface Request {
  readonly checkpoint: string;
  readonly split: 'test';
  readonly file: string;
}
type Write = (request: Request, options: Options) => Promise<unknown>;
interface Options {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: WorkProgress) => void;
}

/**
 * Write the report on a checkpoint, and offer to open it.
 * @param given where to; left out, the user is asked
 * @param write has the engine do it
 */
export function exportReport(target: LayerTarget, given: string | undefined, write: Write): Promise<void> {
  return writeTo(target, given, { title: 'Export Report', fileName: reportFileName }, write);
}

/** As {@link exportReport}, on what attacks do to the checkpoint. */
export function exportRobustness(
  target: LayerTarget,
  given: string | undefined,
  write: Write,
): Promise<void> {
  return writeTo(target, given, { title: 'Robustness Report', fileName: robustnessFileName }, write);
}

async function writeTo(
  { runDirectory, checkpoint }: LayerTarget,
  given: string | undefined,
  { title, fileName }: { readonly title: string; readonly fileName: typeof reportFileName },
  write: Write,
): Promise<void> {
  const name = fileName(path.basename(runDirectory), path.basename(checkpoint, checkpointExtension));
  const file = given ?? (await askWhere(path.join(runDirectory, name), title));
  if (file === undefined) return;
  const progress = {
    location: vscode.ProgressLocation.Notification,
    title: `${title === 'Export Report' ? 'Report' : title} on ${path.basename(runDirectory)}`,
    cancellable: true,
  };
  const written = await vscode.window.withProgress(progress, async (shown, token) => {
    const abort = new AbortController();
    token.onCancellationRequested(() => abort.abort());
    try {
      await write(
        { checkpoint, split: 'test', file },
        {
          signal: abort.signal,
          onProgress: ({ activity, done, total }) =>
            shown.report({
              message: `${activity}, ${done.toLocaleString('en')} of ${total.toLocaleString('en')}`,
            }),
        },
      );
      return true;
    } catch (thrown) {
      if (abort.signal.aborted) return false; // as the user wished
      throw thrown;
    }
  });
  if (written) void offerToOpen(vscode.Uri.file(file)); // not waited for: it stands until the user answers
}

async function askWhere(suggested: string, title: string): Promise<string | undefined> {
  const uri = await vscode.window.showSaveDialog({
    title,
    saveLabel: 'Export',
    defaultUri: vscode.Uri.file(suggested),
    filters: { HTML: ['html'] },
  });
  return uri?.fsPath;
}

async function offerToOpen(file: vscode.Uri): Promise<void> {
  const [open, reveal] = ['Open in Browser', 'Reveal'];
  const answer = await vscode.window.showInformationMessage(
    `The report is written: ${path.basename(file.fsPath)}`,
    open,
    reveal,
  );
  if (answer === open) await vscode.env.openExternal(file);
  if (answer === reveal) await vscode.commands.executeCommand('revealFileInOS', file);
}
