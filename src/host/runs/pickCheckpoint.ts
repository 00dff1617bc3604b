import * as vscode from 'vscode';
import { DcnetError } from '../../core/errors.js';
import type { RunStore } from './runStore.js';

/**
 * A checkpoint of any run that the user picks; undefined when they pick none.
 * @param except absolute path of one that is not offered
 * @throws DcnetError `usage` when there is no other
 */
export async function pickCheckpoint(
  runs: RunStore,
  title: string,
  except: string,
): Promise<string | undefined> {
  const items = (await runs.list()).flatMap(({ name: run, checkpoints }) => {
    const others = checkpoints.filter(({ file }) => file !== except);
    if (others.length === 0) return [];
    return [
      { label: run, kind: vscode.QuickPickItemKind.Separator, file: '' },
      ...others.toReversed().map(({ name, file }) => ({ label: name, description: run, file })),
    ];
  });
  if (items.length === 0)
    throw new DcnetError({
      code: 'usage',
      message: 'There is no other checkpoint in this workspace.',
      remedy: 'Train for another epoch, or train another run: DCNet: Train DCNet.',
    });
  const placeHolder = 'Which checkpoint?';
  return (await vscode.window.showQuickPick(items, { title, placeHolder, matchOnDescription: true }))?.file;
}
