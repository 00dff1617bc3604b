import * as vscode from 'vscode';
import type { RunStore } from './runStore.js';

interface Item extends vscode.QuickPickItem {
  readonly file?: string;
}

/** Let the user choose a checkpoint: those of the runs, or a file. */
export async function pickCheckpoint(
  runs: RunStore,
  title: string,
  placeHolder: string,
  except?: string,
): Promise<string | undefined> {
  const items: Item[] = (await runs.list()).flatMap((run) => {
    const checkpoints = run.checkpoints.filter(({ file }) => file !== except);
    if (checkpoints.length === 0) return [];
    return [
      { label: run.name, kind: vscode.QuickPickItemKind.Separator },
      ...checkpoints
        .toReversed()
        .map(({ name, file }): Item => ({ label: `$(save) ${name}`, description: run.name, file })),
    ];
  });
  const browse: Item = { label: '$(folder-opened) Browse…', alwaysShow: true };
  const picked = await vscode.window.showQuickPick(
    [...items, { label: 'Elsewhere', kind: vscode.QuickPickItemKind.Separator }, browse],
    { title, placeHolder, matchOnDescription: true },
  );
  if (picked !== browse) return picked?.file;
  const chosen = await vscode.window.showOpenDialog({ title, filters: { Checkpoints: ['safetensors'] } });
  return chosen?.[0]?.fsPath;
}
