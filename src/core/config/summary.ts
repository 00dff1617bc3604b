import { operatorWords } from './layerWords.js';
import { layerMultiplyAdds } from './multiplyAdds.js';
import type { Network, NetworkLayer, Shape } from './network.js';
import { type LayerParameters, layerParameters, parameterCount } from './parameters.js';

/** A layer's sizes, all exact. */
export interface LayerSummary extends LayerParameters {
  readonly name: string;
  readonly type: NetworkLayer['type'];
  /** `TanhConv · cosine`, `inner product`, `+ conv1`; absent where the type says it all. */
  readonly operator?: string;
  /** Of one image. */
  readonly outputShape: Shape;
  /** All trained values. */
  readonly parameters: number;
  /** Of one image, forward. */
  readonly multiplyAdds: number;
}

export interface NetworkSummary {
  readonly inputShape: Shape;
  readonly classes: number;
  readonly layers: readonly LayerSummary[];
  readonly total: LayerParameters & { readonly parameters: number; readonly multiplyAdds: number };
}

/** What a network is made of, layer by layer and in all. */
export function networkSummary({ inputShape, classes, layers: given }: Network): NetworkSummary {
  const layers = given.map(layerSummary);
  const sum = (key: keyof NetworkSummary['total']): number =>
    layers.reduce((total, layer) => total + layer[key], 0);
  const total = {
    weights: sum('weights'),
    radii: sum('radii'),
    k: sum('k'),
    batchNorm: sum('batchNorm'),
    slopes: sum('slopes'),
    parameters: sum('parameters'),
    multiplyAdds: sum('multiplyAdds'),
  };
  return { inputShape, classes, layers, total };
}

/** `34 layers · 16,743,552 parameters · 2,475,234,816 multiply-adds an image`. */
export function totalsWords({ layers, total }: NetworkSummary): string {
  const count = (value: number): string => value.toLocaleString('en');
  return `${count(layers.length)} layers · ${count(total.parameters)} parameters · ${count(total.multiplyAdds)} multiply-adds an image`;
}

function layerSummary(layer: NetworkLayer): LayerSummary {
  const { name, type, outputShape } = layer;
  const operator = operatorOf(layer);
  return {
    name,
    type,
    ...(operator === undefined ? {} : { operator }),
    outputShape,
    ...layerParameters(layer),
    parameters: parameterCount(layer),
    multiplyAdds: layerMultiplyAdds(layer),
  };
}

function operatorOf(layer: NetworkLayer): string | undefined {
  if (layer.type === 'conv' || layer.type === 'dense') return operatorWords(layer.operator);
  if (layer.type !== 'add') return undefined;
  return `+ ${layer.from}${layer.projection === undefined ? '' : ', projected'}`;
}
