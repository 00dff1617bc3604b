import * as vscode from 'vscode';
import type { LayerConfig } from '../../core/config/layerSchema.js';
import { layerWords, operatorWords } from '../../core/config/layerWords.js';
import { layerMultiplyAdds } from '../../core/config/multiplyAdds.js';
import { layerOperator, type Network } from '../../core/config/network.js';
import { parameterCount } from '../../core/config/parameters.js';
import type { LayerRange } from '../../core/config/parse.js';
import { layersOf } from '../../core/config/presets/layersOf.js';
import type { Config } from '../../core/config/schema.js';
import { networkSummary, totalsWords } from '../../core/config/summary.js';
import { Owner } from '../lifecycle.js';
import type { ConfigReader } from './configReader.js';
import { isConfig } from './isConfig.js';

/** Behind each layer of a config: what it is, the shape it gives and the number of its parameters. */
export class LayerHints extends Owner implements vscode.InlayHintsProvider {
  readonly #changed = this._register(new vscode.EventEmitter<void>());
  readonly onDidChangeInlayHints = this.#changed.event;
  /** Configs whose shapes could not be told: their data may come. */
  readonly #incomplete = new Set<string>();

  constructor(private readonly reader: ConfigReader) {
    super();
    this._register(
      vscode.workspace.onDidSaveTextDocument(({ uri }) => {
        if (isConfig(uri) && this.#incomplete.has(uri.toString())) this.#changed.fire();
      }),
    );
    this._register(vscode.workspace.onDidGrantWorkspaceTrust(() => this.#changed.fire()));
  }

  async provideInlayHints(document: vscode.TextDocument, shown: vscode.Range): Promise<vscode.InlayHint[]> {
    const { config, network, layerRanges } = await this.reader.check(document);
    if (network === undefined) this.#incomplete.add(document.uri.toString());
    else this.#incomplete.delete(document.uri.toString());
    const words =
      network?.layers.map(layerWords) ??
      (config && layersOf(config).map((layer) => operatorOf(config, layer)));
    const preset = layerRanges.find(({ inPreset }) => inPreset);
    if (preset !== undefined) return network === undefined ? [] : [presetHint(document, preset, network)];
    const lines = layerRanges.map(({ lastLine }) => lastLine - 1);
    return (words ?? []).flatMap((label, i) => {
      const range = layerRanges[i];
      if (label === undefined || range === undefined) return [];
      if (range.lastLine - 1 < shown.start.line || range.lastLine - 1 > shown.end.line) return [];
      // At the end of the line, behind its comment; where layers share a line each keeps its own.
      const alone = lines.filter((line) => line === range.lastLine - 1).length === 1;
      const position = alone
        ? document.lineAt(range.lastLine - 1).range.end
        : document.positionAt(range.offset + range.length);
      const hint = new vscode.InlayHint(position, label);
      hint.paddingLeft = true;
      if (network !== undefined) hint.tooltip = tooltip(network, i);
      return [hint];
    });
  }
}

/** Behind a preset: what the network comes to, its layers in the tooltip. */
function presetHint(document: vscode.TextDocument, range: LayerRange, network: Network): vscode.InlayHint {
  const line = document.lineAt(range.lastLine - 1).range.end;
  const hint = new vscode.InlayHint(line, totalsWords(networkSummary(network)));
  hint.paddingLeft = true;
  hint.tooltip = network.layers.map((layer) => `${layer.name} ${layerWords(layer)}`).join('\n');
  return hint;
}

/** What is known of a layer without its data: its operator. */
function operatorOf(config: Config, layer: LayerConfig): string | undefined {
  return layer.type === 'conv' ? operatorWords(layerOperator(config, layer)) : undefined;
}

function tooltip({ layers }: Network, index: number): string {
  const counts = layers.map(parameterCount);
  const total = counts.reduce((a, b) => a + b, 0);
  const own = counts[index]!.toLocaleString('en');
  const work = layerMultiplyAdds(layers[index]!).toLocaleString('en');
  return `${layers[index]!.name} has ${own} of the network’s ${total.toLocaleString('en')} trained parameters, and takes ${work} multiply-adds an image.`;
}
