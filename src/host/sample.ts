import * as vscode from 'vscode';

const sampleConfig = 'fashion.dcnet.json';
/** The config to open in the window that opens next. */
const openNextKey = 'dcnet.openNext';

/** Copy the sample network into the workspace and open it; in an empty window into a folder that is asked for. */
export async function createSample(context: vscode.ExtensionContext): Promise<void> {
  const open = await workspaceFolder();
  const folder = open ?? (await askForFolder());
  if (folder === undefined) return;
  const config = await copySample(context.extensionUri, folder);
  if (open !== undefined) {
    await vscode.window.showTextDocument(config);
    return;
  }
  await context.globalState.update(openNextKey, config.fsPath);
  await vscode.commands.executeCommand('vscode.openFolder', folder);
}

/** In the window that opened the folder of a new sample: show its config. */
export async function openNewSample(context: vscode.ExtensionContext): Promise<void> {
  const file = context.globalState.get<string>(openNextKey);
  if (file === undefined) return;
  const config = vscode.Uri.file(file);
  if (vscode.workspace.getWorkspaceFolder(config) === undefined) return;
  await context.globalState.update(openNextKey, undefined);
  await vscode.window.showTextDocument(config);
}

async function workspaceFolder(): Promise<vscode.Uri | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (folders.length < 2) return folders[0]?.uri;
  return (await vscode.window.showWorkspaceFolderPick({ placeHolder: 'Where to create the sample network' }))
    ?.uri;
}

async function askForFolder(): Promise<vscode.Uri | undefined> {
  const picked = await vscode.window.showOpenDialog({
    canSelectFiles: false,
    canSelectFolders: true,
    openLabel: 'Create Sample Here',
    title: 'Folder for the sample network',
  });
  return picked?.[0];
}

/** What is there already stays as it is. */
async function copySample(extension: vscode.Uri, folder: vscode.Uri): Promise<vscode.Uri> {
  const { fs } = vscode.workspace;
  const source = vscode.Uri.joinPath(extension, 'media', 'sample');
  const present = new Set((await fs.readDirectory(folder)).map(([name]) => name));
  for (const [name] of await fs.readDirectory(source)) {
    if (present.has(name)) continue;
    await fs.copy(vscode.Uri.joinPath(source, name), vscode.Uri.joinPath(folder, name));
  }
  return vscode.Uri.joinPath(folder, sampleConfig);
}
