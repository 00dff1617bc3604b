import * as vscode from 'vscode';
import type { ConfigFix } from '../../core/config/fix.js';
import { textEdits } from '../../core/config/textEdits.js';
import type { ConfigReader } from './configReader.js';
import { toDiagnostic } from './diagnostics.js';

/** Offers what can be done by itself about what is wrong in a config. */
export class ConfigQuickFixes implements vscode.CodeActionProvider {
  static readonly metadata: vscode.CodeActionProviderMetadata = {
    providedCodeActionKinds: [vscode.CodeActionKind.QuickFix],
  };

  constructor(private readonly reader: ConfigReader) {}

  async provideCodeActions(
    document: vscode.TextDocument,
    range: vscode.Range,
    context: vscode.CodeActionContext,
  ): Promise<vscode.CodeAction[]> {
    const { version } = document;
    // The text as it is now: what is underlined may be some keystrokes older.
    const { problems } = await this.reader.check(document);
    if (document.version !== version) return [];
    return problems.flatMap((problem) => {
      const told = toDiagnostic(document, problem);
      if (problem.fixes === undefined || told.range.intersection(range) === undefined) return [];
      const shown = context.diagnostics.filter(
        ({ message, range }) => message === told.message && range.isEqual(told.range),
      );
      return problem.fixes.map((fix) => toAction(document, fix, shown));
    });
  }
}

function toAction(
  document: vscode.TextDocument,
  fix: ConfigFix,
  diagnostics: vscode.Diagnostic[],
): vscode.CodeAction {
  const action = new vscode.CodeAction(fix.title, vscode.CodeActionKind.QuickFix);
  action.diagnostics = diagnostics;
  action.isPreferred = fix.preferred ?? false;
  action.edit = new vscode.WorkspaceEdit();
  for (const { offset, length, content } of textEdits(document.getText(), fix)) {
    const place = new vscode.Range(document.positionAt(offset), document.positionAt(offset + length));
    action.edit.replace(document.uri, place, content);
  }
  return action;
}
