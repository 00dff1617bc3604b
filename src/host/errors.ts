import * as vscode from 'vscode';
import { asDcnetError, type DcnetError, type ErrorDetails } from '../core/errors.js';

/** Told to the user as an error with what can be done about it; a cancellation is no error. */
export async function showError(log: vscode.LogOutputChannel, thrown: unknown): Promise<void> {
  const error = asDcnetError(thrown);
  if (error.details.code === 'cancelled') return;
  logError(log, error);
  const actions = [...actionsFor(error.details), { label: 'Show Log', run: async () => log.show(true) }];
  const chosen = await vscode.window.showErrorMessage(error.describe(), ...actions.map(({ label }) => label));
  await actions.find(({ label }) => label === chosen)?.run();
}

/** The whole story, for the log: what happened and where it came from. */
function logError(log: vscode.LogOutputChannel, error: DcnetError): void {
  log.error(error.describe());
  if (error.details.code === 'internal' && error.stack !== undefined) log.error(error.stack);
}

interface ErrorAction {
  readonly label: string;
  readonly run: () => Promise<unknown>;
}

function actionsFor({ code, file, line, column }: ErrorDetails): ErrorAction[] {
  switch (code) {
    case 'config':
      if (file === undefined) return [];
      return [{ label: 'Open Config', run: () => openAt(vscode.Uri.file(file), line, column) }];
    case 'engine':
      return [
        { label: 'Restart Engine', run: async () => vscode.commands.executeCommand('dcnet.restartEngine') },
      ];
    case 'backend':
      return [{ label: 'Doctor', run: async () => vscode.commands.executeCommand('dcnet.doctor') }];
    default:
      return [];
  }
}

/** Open a text file at a 1-based position. */
async function openAt(uri: vscode.Uri, line = 1, column = 1): Promise<vscode.TextEditor> {
  const position = new vscode.Position(line - 1, column - 1);
  return vscode.window.showTextDocument(uri, { selection: new vscode.Range(position, position) });
}
