import * as vscode from 'vscode';
import type { ConfigFix } from '../../core/config/fix.js';
import { ejectFix } from '../../core/config/presets/eject.js';
import { textEdits } from '../../core/config/textEdits.js';
import type { CheckedConfig, ConfigReader } from './configReader.js';
import { toDiagnostic } from './diagnostics.js';

/** Offers what can be done by itself about what is wrong in a config, and to put layers in a preset's place. */
export class ConfigQuickFixes implements vscode.CodeActionProvider {
  static readonly metadata: vscode.CodeActionProviderMetadata = {
    providedCodeActionKinds: [vscode.CodeActionKind.QuickFix, vscode.CodeActionKind.RefactorInline],
  };

  constructor(private readonly reader: ConfigReader) {}

  async provideCodeActions(
    document: vscode.TextDocument,
    range: vscode.Range,
    context: vscode.CodeActionContext,
  ): Promise<vscode.CodeAction[]> {
    const { version } = document;
    // The text as it is now: what is underlined may be some keystrokes older.
    const checked = await this.reader.check(document);
    const { problems } = checked;
    if (document.version !== version) return [];
    const mended = problems.flatMap((problem) => {
      const told = toDiagnostic(document, problem);
      if (problem.fixes === undefined || told.range.intersection(range) === undefined) return [];
      const shown = context.diagnostics.filter(
        ({ message, range }) => message === told.message && range.isEqual(told.range),
      );
      return problem.fixes.map((fix) => toAction(document, fix, shown));
    });
    return [...mended, ...this.#ejecting(document, range, checked)];
  }

  /** On a preset: put its layers in its place. */
  #ejecting(
    document: vscode.TextDocument,
    range: vscode.Range,
    { config, network, layerRanges }: CheckedConfig,
  ): vscode.CodeAction[] {
    const preset = layerRanges.find(({ inPreset }) => inPreset);
    const fix = config && ejectFix(config, network?.classes);
    if (preset === undefined || fix === undefined) return [];
    const lines = new vscode.Range(preset.firstLine - 1, 0, preset.lastLine, 0);
    if (lines.intersection(range) === undefined) return [];
    const action = new vscode.CodeAction(fix.title, vscode.CodeActionKind.RefactorInline);
    action.edit = workspaceEdit(document, fix);
    return [action];
  }
}

/** Make what a fix asks for an edit of the document. */
export function workspaceEdit(document: vscode.TextDocument, fix: ConfigFix): vscode.WorkspaceEdit {
  const edit = new vscode.WorkspaceEdit();
  for (const { offset, length, content } of textEdits(document.getText(), fix)) {
    const place = new vscode.Range(document.positionAt(offset), document.positionAt(offset + length));
    edit.replace(document.uri, place, content);
  }
  return edit;
}

function toAction(
  document: vscode.TextDocument,
  fix: ConfigFix,
  diagnostics: vscode.Diagnostic[],
): vscode.CodeAction {
  const action = new vscode.CodeAction(fix.title, vscode.CodeActionKind.QuickFix);
  action.diagnostics = diagnostics;
  action.isPreferred = fix.preferred ?? false;
  action.edit = workspaceEdit(document, fix);
  return action;
}
