import path from 'node:path';
import * as vscode from 'vscode';

/** Save what a panel made where the user says. */
export async function saveFile(
  folder: string,
  {
    suggestedName,
    content,
    encoding,
  }: { suggestedName: string; content: string; encoding: 'utf8' | 'base64' },
): Promise<{ saved: boolean }> {
  const uri = await vscode.window.showSaveDialog({
    // The panel suggests a name, not a place.
    defaultUri: vscode.Uri.file(path.join(folder, path.basename(suggestedName))),
  });
  if (uri === undefined) return { saved: false };
  await vscode.workspace.fs.writeFile(uri, Buffer.from(content, encoding));
  return { saved: true };
}
