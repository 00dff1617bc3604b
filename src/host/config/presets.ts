import * as vscode from 'vscode';
import { ejectFix, ejectPreset } from '../../core/config/presets/eject.js';
import { openConfig, pickConfig } from './configFiles.js';
import type { ConfigReader } from './configReader.js';
import { workspaceEdit } from './quickFixes.js';

/** Turns a config's preset into ordinary layers. */
export class Presets {
  constructor(private readonly reader: ConfigReader) {}

  /**
   * Put the layers of the preset in its place, as one edit that can be undone; the file is not saved.
   * @param argument a config; left out, the one that is open, or the one that the user picks
   * @throws DcnetError `config`
   */
  async eject(argument: unknown): Promise<void> {
    const config = argument instanceof vscode.Uri ? argument : (openConfig() ?? (await pickConfig()));
    if (config === undefined) return;
    if (config === 'none') {
      void vscode.window.showInformationMessage('The workspace has no config (*.dcnet.json).');
      return;
    }
    const document = await vscode.workspace.openTextDocument(config);
    const { config: read, network } = await this.reader.check(document);
    const fix = read && ejectFix(read, network?.classes);
    if (fix === undefined) {
      ejectPreset(document.getText(), config.fsPath, network?.classes); // says what is wrong
      return;
    }
    await vscode.workspace.applyEdit(workspaceEdit(document, fix));
    await vscode.window.showTextDocument(document);
  }
}
