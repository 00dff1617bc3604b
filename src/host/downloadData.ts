import * as vscode from 'vscode';
import {
  type Downloaded,
  type DownloadName,
  downloadNames,
  downloads,
  startingConfig,
  whereItLies,
} from '../core/data/downloads.js';
import { DcnetError } from '../core/errors.js';
import type { WorkProgress } from '../protocol/engine.js';

type Fetch = (
  request: { readonly name: DownloadName; readonly folder: string },
  options: { readonly signal: AbortSignal; readonly onProgress: (progress: WorkProgress) => void },
) => Promise<Downloaded>;

/**
 * Fetch a data set that the user chooses into the workspace, with progress and cancel, and offer a config for it.
 * @throws DcnetError `usage` without a folder; `io`, `data`, `cancelled`
 */
export async function downloadDataSet(fetch: Fetch): Promise<void> {
  const picked = await vscode.window.showQuickPick(
    downloadNames.map((name) => ({ name, label: downloads[name].title, detail: downloads[name].detail })),
    { title: 'Download Data Set', placeHolder: 'Which one? It is written to data/ in the workspace folder.' },
  );
  if (picked === undefined) return;
  const root = await workspaceFolder();
  if (root === undefined) return;
  const place = `data/${picked.name}`;
  const folder = vscode.Uri.joinPath(root, place);
  const downloaded = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: `DCNet: ${picked.label}`, cancellable: true },
    (progress, token) => {
      const abort = new AbortController();
      token.onCancellationRequested(() => abort.abort());
      let shown = 0;
      return fetch(
        { name: picked.name, folder: folder.fsPath },
        {
          signal: abort.signal,
          onProgress: ({ activity, done, total }) => {
            progress.report({ message: activity, increment: (100 * (done - shown)) / total });
            shown = done;
          },
        },
      );
    },
  );
  const create = 'Create Config';
  const answer = await vscode.window.showInformationMessage(
    whereItLies(downloads[picked.name], downloaded, place),
    create,
  );
  if (answer === create) await createConfig(root, picked.name, place);
}

async function workspaceFolder(): Promise<vscode.Uri | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (folders.length === 0)
    throw new DcnetError({
      code: 'usage',
      message: 'No folder is open to download to.',
      remedy: 'Open a folder first.',
    });
  if (folders.length === 1) return folders[0]!.uri;
  return (await vscode.window.showWorkspaceFolderPick({ placeHolder: 'Where to download to' }))?.uri;
}

/** What is there already is shown, not overwritten. */
async function createConfig(root: vscode.Uri, name: DownloadName, place: string): Promise<void> {
  const { fs } = vscode.workspace;
  const file = vscode.Uri.joinPath(root, `${name}.dcnet.json`);
  const present = (await fs.readDirectory(root)).some(([other]) => other === `${name}.dcnet.json`);
  if (!present) await fs.writeFile(file, new TextEncoder().encode(startingConfig(downloads[name], place)));
  await vscode.window.showTextDocument(file);
}
