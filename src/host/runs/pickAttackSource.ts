import * as vscode from 'vscode';
import { pickCheckpoint } from './pickCheckpoint.js';
import type { RunStore } from './runStore.js';

/**
 * Whether attacks are also transferred from another network, and from which.
 * @returns `undefined` where the user chose nothing
 */
export async function pickAttackSource(
  runs: RunStore,
  checkpoint: string,
): Promise<'none' | { readonly file: string } | undefined> {
  const title = 'Robustness Report';
  const own = { label: 'White box only', description: 'attacks by the network’s own gradients' };
  const other = {
    label: 'With transfer…',
    description: 'also attacks that another checkpoint’s gradients make',
  };
  const chosen = await vscode.window.showQuickPick([own, other], {
    title,
    placeHolder: 'Which attacks? A transferred attack that does more shows masked gradients.',
  });
  if (chosen !== other) return chosen && 'none';
  const file = await pickCheckpoint(runs, title, 'Whose gradients make the transferred attacks?', checkpoint);
  return file === undefined ? undefined : { file };
}
