import * as vscode from 'vscode';
import type { ConfigProblem } from '../../core/config/parse.js';
import type { ErrorDetails } from '../../core/errors.js';
import { Debounce, Owner } from '../lifecycle.js';
import type { CheckedConfig, ConfigReader } from './configReader.js';
import { isConfig } from './isConfig.js';

/** After so long without a keystroke a config is checked. */
const quietMs = 300;

/** Shows what is wrong in the configs that are open, while they are written. */
export class ConfigDiagnostics extends Owner {
  readonly #collection = this._register(vscode.languages.createDiagnosticCollection('dcnet'));
  readonly #waiting = new Set<vscode.TextDocument>();
  readonly #quiet = this._register(new Debounce(quietMs, () => this.#checkWaiting()));

  constructor(
    private readonly reader: ConfigReader,
    private readonly log: vscode.LogOutputChannel,
  ) {
    super();
    this._register(vscode.workspace.onDidOpenTextDocument((document) => this.#later(document)));
    this._register(vscode.workspace.onDidChangeTextDocument(({ document }) => this.#later(document)));
    this._register(vscode.workspace.onDidSaveTextDocument((document) => this.#later(document)));
    this._register(
      vscode.workspace.onDidCloseTextDocument((document) => this.#collection.delete(document.uri)),
    );
    this._register(vscode.workspace.onDidGrantWorkspaceTrust(() => this.#allOpen()));
    this.#allOpen();
  }

  #allOpen(): void {
    for (const document of vscode.workspace.textDocuments) this.#later(document);
  }

  #later(document: vscode.TextDocument): void {
    if (!isConfig(document.uri)) return;
    this.#waiting.add(document);
    this.#quiet.schedule();
  }

  #checkWaiting(): void {
    for (const document of this.#waiting) {
      this.#check(document).catch((thrown: unknown) => {
        this.log.error(
          `${document.uri.fsPath} could not be checked`,
          thrown instanceof Error ? thrown : `${thrown}`,
        );
      });
    }
    this.#waiting.clear();
  }

  async #check(document: vscode.TextDocument): Promise<void> {
    const { version } = document;
    const checked = await this.reader.check(document);
    if (document.isClosed || document.version !== version || this.isDisposed) return;
    this.#collection.set(document.uri, toDiagnostics(document, checked));
  }
}

function toDiagnostics(document: vscode.TextDocument, checked: CheckedConfig): vscode.Diagnostic[] {
  const diagnostics = checked.problems.map((problem) => toDiagnostic(document, problem));
  if (checked.dataError !== undefined) diagnostics.push(dataDiagnostic(document, checked.dataError));
  return diagnostics;
}

/** A problem as it is shown. */
export function toDiagnostic(document: vscode.TextDocument, problem: ConfigProblem): vscode.Diagnostic {
  const meant = problem.suggestion === undefined ? '' : ` Did you mean ${problem.suggestion}?`;
  const severity =
    problem.severity === 'error' ? vscode.DiagnosticSeverity.Error : vscode.DiagnosticSeverity.Warning;
  return diagnostic(
    rangeOf(document, problem.offset, problem.length),
    `${problem.message}${meant} ${problem.remedy}`,
    severity,
  );
}

/** The data set is at fault, not the config's text: its `data` field is underlined. */
function dataDiagnostic(
  document: vscode.TextDocument,
  { message, remedy, file }: ErrorDetails,
): vscode.Diagnostic {
  const field =
    /"(?:idx|dataset|cifar10|cifar100|images|npz|npy)"\s*:\s*(?:"(?:[^"\\]|\\.)*"|\{[^}]*\})/.exec(
      document.getText(),
    );
  const where = file === undefined ? '' : `${file}: `;
  return diagnostic(
    rangeOf(document, field?.index ?? 0, field?.[0].length ?? 1),
    `${where}${message} ${remedy}`,
    vscode.DiagnosticSeverity.Error,
  );
}

function diagnostic(
  range: vscode.Range,
  message: string,
  severity: vscode.DiagnosticSeverity,
): vscode.Diagnostic {
  const made = new vscode.Diagnostic(range, message, severity);
  made.source = 'DCNet';
  return made;
}

function rangeOf(document: vscode.TextDocument, offset: number, length: number): vscode.Range {
  return new vscode.Range(document.positionAt(offset), document.positionAt(offset + length));
}
