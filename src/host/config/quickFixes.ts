import * as vscode from 'vscode';
import { ConfigDiagnostic } from './diagnostics.js';

/** Offers what was probably meant. */
export class ConfigQuickFixes implements vscode.CodeActionProvider {
  static readonly metadata: vscode.CodeActionProviderMetadata = {
    providedCodeActionKinds: [vscode.CodeActionKind.QuickFix],
  };

  provideCodeActions(
    document: vscode.TextDocument,
    _range: vscode.Range,
    { diagnostics }: vscode.CodeActionContext,
  ): vscode.CodeAction[] {
    return diagnostics
      .filter((diagnostic) => diagnostic instanceof ConfigDiagnostic)
      .flatMap((diagnostic) =>
        diagnostic.suggestion === undefined ? [] : [fix(document, diagnostic, diagnostic.suggestion)],
      );
  }
}

function fix(
  document: vscode.TextDocument,
  diagnostic: ConfigDiagnostic,
  suggestion: string,
): vscode.CodeAction {
  const action = new vscode.CodeAction(`Change to ${suggestion}`, vscode.CodeActionKind.QuickFix);
  action.diagnostics = [diagnostic];
  action.edit = new vscode.WorkspaceEdit();
  action.edit.replace(document.uri, diagnostic.range, suggestion);
  action.isPreferred = true;
  return action;
}
