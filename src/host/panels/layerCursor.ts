import * as vscode from 'vscode';
import type { ConfigReader } from '../config/configReader.js';
import { isConfig } from '../config/isConfig.js';
import { Debounce, Owner } from '../lifecycle.js';

/** The cursor must rest so long before it is followed. */
const restMs = 150;

/** Tells which layer of a config the cursor is in, and shows a layer in its config. */
export class LayerCursor extends Owner {
  readonly #moved = this._register(new vscode.EventEmitter<{ config: vscode.Uri; layer: string }>());
  readonly onDidMove = this.#moved.event;
  readonly #rest = this._register(new Debounce(restMs, () => this.#look()));
  #editor: vscode.TextEditor | undefined;
  #last = '';

  constructor(private readonly reader: ConfigReader) {
    super();
    this._register(vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => this.#later(textEditor)));
    this._register(vscode.window.onDidChangeActiveTextEditor((editor) => this.#later(editor)));
  }

  /** The layer under the cursor of a visible config. */
  layerIn(config: vscode.Uri): string | undefined {
    const editor = visibleEditor(config);
    return editor === undefined ? undefined : this.#layerAt(editor);
  }

  /** Show a layer's lines, beside what is being looked at and without taking the focus. */
  async reveal(config: vscode.Uri, layer: string): Promise<void> {
    const editor =
      visibleEditor(config) ??
      (await vscode.window.showTextDocument(config, {
        viewColumn: vscode.ViewColumn.One,
        preserveFocus: true,
      }));
    const range = this.reader.parse(editor.document).layerRanges.find(({ name }) => name === layer);
    if (range === undefined) return;
    const start = editor.document.positionAt(range.offset);
    const end = editor.document.positionAt(range.offset + range.length);
    const cursor = editor.selection.active;
    const isThere = range.inPreset && new vscode.Range(start, end).contains(cursor);
    if (!isThere && this.#layerAt(editor) !== layer) editor.selection = new vscode.Selection(start, start);
    editor.revealRange(new vscode.Range(start, end), vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  }

  #later(editor: vscode.TextEditor | undefined): void {
    if (editor === undefined || !isConfig(editor.document.uri)) return;
    this.#editor = editor;
    this.#rest.schedule();
  }

  #look(): void {
    const editor = this.#editor;
    if (editor === undefined) return;
    const config = editor.document.uri;
    const layer = this.#layerAt(editor);
    const place = `${config} ${layer}`;
    if (place === this.#last) return;
    this.#last = place;
    if (layer !== undefined) this.#moved.fire({ config, layer });
  }

  #layerAt({ document, selection }: vscode.TextEditor): string | undefined {
    const line = selection.active.line + 1;
    // In a preset all layers are at one place, and the cursor tells none of them.
    const ranges = this.reader.parse(document).layerRanges.filter(({ inPreset }) => !inPreset);
    const offset = document.offsetAt(selection.active);
    const exact = ranges.find((range) => range.offset <= offset && offset <= range.offset + range.length);
    return (exact ?? ranges.find(({ firstLine, lastLine }) => firstLine <= line && line <= lastLine))?.name;
  }
}

function visibleEditor(config: vscode.Uri): vscode.TextEditor | undefined {
  return vscode.window.visibleTextEditors.find(
    ({ document }) => document.uri.toString() === config.toString(),
  );
}
