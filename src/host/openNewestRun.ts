import * as vscode from 'vscode';
import { findConfigs } from './config/configFiles.js';

/**
 * In a workspace whose settings ask for it: show its runs, and its config with the layers of the newest run beside it.
 * Measuring needs a trusted workspace, so it waits for trust.
 */
export async function openNewestRun(): Promise<void> {
  await trust();
  const [config] = await findConfigs();
  if (config === undefined) return;
  await vscode.commands.executeCommand('dcnet.runs.focus');
  await vscode.window.showTextDocument(config, { preview: false });
  await vscode.commands.executeCommand('dcnet.inspectLayers', config);
}

async function trust(): Promise<void> {
  if (vscode.workspace.isTrusted) return;
  await new Promise<void>((resolve) => {
    const listener = vscode.workspace.onDidGrantWorkspaceTrust(() => {
      listener.dispose();
      resolve();
    });
  });
}
