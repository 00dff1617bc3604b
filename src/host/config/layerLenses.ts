import * as vscode from 'vscode';
import { operatorWords } from '../../core/config/layerWords.js';
import type { NetworkLayer } from '../../core/config/network.js';
import type { LayerRange } from '../../core/config/parse.js';
import type { Inspection, LayerInspection } from '../../core/statistics/inspection.js';
import { Owner } from '../lifecycle.js';
import { percent } from '../runs/describe.js';
import type { ConfigReader } from './configReader.js';
import type { MeasuredNetwork, MeasuredNetworks } from './measuredNetworks.js';
import { measuredWhere, short } from './words.js';

const setting = 'dcnet.layerLenses';

/** Above each layer of a config: what was last measured of it; a click opens the layer panel there. */
export class LayerLenses extends Owner implements vscode.CodeLensProvider {
  readonly #changed = this._register(new vscode.EventEmitter<void>());
  readonly onDidChangeCodeLenses = this.#changed.event;

  constructor(
    private readonly reader: ConfigReader,
    private readonly measured: MeasuredNetworks,
  ) {
    super();
    this._register(measured.onDidChange(() => this.#changed.fire()));
    this._register(
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration(setting)) this.#changed.fire();
      }),
    );
  }

  async provideCodeLenses(document: vscode.TextDocument): Promise<vscode.CodeLens[]> {
    if (!vscode.workspace.getConfiguration(undefined, document).get<boolean>(setting)) return [];
    const measured = await this.measured.of(document.uri);
    if (measured === undefined) return [];
    const { layerRanges, network } = await this.reader.check(document);
    // A preset has one lens for all its layers: the last one's, which says how good the network is.
    return layerRanges
      .filter((range) => !range.inPreset || isLast(range, layerRanges))
      .flatMap((range) => {
        const layer = measured.inspection.layers.find(({ name }) => name === range.name);
        if (layer === undefined || layer.type !== range.type) return [];
        const line = new vscode.Range(range.firstLine - 1, 0, range.firstLine - 1, 0);
        const command = lensCommand(
          measured,
          layer,
          isLast(range, layerRanges),
          network?.layers[range.index],
        );
        return new vscode.CodeLens(line, command);
      });
  }
}

function isLast({ index }: LayerRange, ranges: readonly LayerRange[]): boolean {
  return index === ranges.at(-1)?.index;
}

function lensCommand(
  { inspection, runDirectory, checkpoint }: MeasuredNetwork,
  layer: LayerInspection,
  last: boolean,
  now: NetworkLayer | undefined,
): vscode.Command {
  const changed = now !== undefined && differs(now, layer) ? ' · before your change' : '';
  return {
    command: 'dcnet.inspectLayers',
    title: `$(layers) ${last ? rightWords(inspection) : measuredWords(layer)}${changed}`,
    tooltip: `Inspect ${layer.name}: ${measuredWhere(inspection)}`,
    arguments: [{ runDirectory, checkpoint, layer: layer.name }],
  };
}

/** `88.4 % of 1,000 test images right`: what the scores come to. */
function rightWords({ accuracy, sampleSize, split }: Inspection): string {
  const images = split === 'test' ? 'test images' : 'training images';
  return `${percent(accuracy)} of ${sampleSize.toLocaleString('en')} ${images} right`;
}

/** Shares of the regimes; the medians where there is no radius. */
function measuredWords({ patches, regimes = [], norm, angle }: LayerInspection): string {
  if (patches === 0) return 'no patch was strong enough to measure';
  if (regimes.length === 0) return `median ‖x‖ ${short(norm.median)}, median θ ${short(angle.median)}°`;
  return regimes
    .map(({ name, share }, i) => {
      const words = i < regimes.length - 1 ? name.replace(' the radius', '') : name;
      return `${percent(share)} ${words}`;
    })
    .join(' · ');
}

/** Whether a layer is another by now than the one that was measured. */
function differs(now: NetworkLayer, { operator, inputShape, outputShape }: LayerInspection): boolean {
  const measuredOperator = operator === 'inner-product' ? undefined : operator;
  const present = now.type === 'conv' || now.type === 'dense' ? now.operator : undefined;
  const parameters = ({ alpha, beta, radius }: NonNullable<typeof measuredOperator>): string =>
    [alpha, beta, radius].join();
  return (
    operatorWords(present) !== operatorWords(measuredOperator) ||
    (present && parameters(present)) !== (measuredOperator && parameters(measuredOperator)) ||
    now.inputShape.join() !== inputShape.join() ||
    now.outputShape.join() !== outputShape.join()
  );
}
