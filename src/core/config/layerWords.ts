import { operatorTitle } from '../operator/words.js';
import type { NetworkLayer, Shape } from './network.js';
import { parameterCount } from './parameters.js';

/** `28×28×16`. */
function shapeWords(shape: Shape): string {
  return shape.map((size) => size.toLocaleString('en')).join('×');
}

/** What a layer is, in a few words: `TanhConv · cosine → 28×28×16 · 192 parameters`. */
export function layerWords(layer: NetworkLayer): string {
  const operator = ownWords(layer);
  const parameters = parameterCount(layer);
  const counted = parameters > 0 ? ` · ${parameters.toLocaleString('en')} parameters` : '';
  return `${operator}→ ${shapeWords(layer.outputShape)}${counted}`;
}

/** What it does, where that is to be said: `TanhConv · cosine `, `+ stem `. */
function ownWords(layer: NetworkLayer): string {
  if (layer.type === 'conv' || (layer.type === 'dense' && layer.operator !== undefined))
    return `${operatorWords(layer.operator)} `;
  if (layer.type !== 'add') return '';
  return `+ ${layer.from}${layer.projection === undefined ? '' : ', projected'} `;
}

/** `TanhConv · cosine`, or `inner product`. */
export function operatorWords(operator: Parameters<typeof operatorTitle>[0] | undefined): string {
  return operator === undefined ? 'inner product' : operatorTitle(operator);
}
