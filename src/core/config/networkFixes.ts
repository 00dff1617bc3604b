import { type ConfigFix, type Json, removeAt, setField } from './fix.js';
import type { LayerConfig } from './layerSchema.js';

type Layers = readonly LayerConfig[];

const flattens = ({ type }: LayerConfig): boolean => type === 'flatten' || type === 'global-average-pool';

/** Give a layer whose name is taken one of its own. */
export function renameLayer(names: readonly string[], index: number): readonly ConfigFix[] {
  const taken = new Set(names);
  const stem = names[index]!.slice(0, 58); // names have at most 64 letters
  let number = 2;
  while (taken.has(`${stem}-${number}`)) number++;
  const name = `${stem}-${number}`;
  return [{ ...setField(['layers', index, 'name'], name, `Name it ${name}`), preferred: true }];
}

/** End a network in one score for each class. */
export function endInScores(layers: Layers, classes: number | undefined): readonly ConfigFix[] {
  if (classes === undefined) return [];
  const scores: Json = { type: 'dense', units: classes };
  const flat = layers.some((layer) => layer.type === 'dense' || flattens(layer));
  const values: readonly Json[] = flat ? [scores] : [{ type: 'global-average-pool' }, scores];
  const title = flat ? 'End with a dense layer' : 'End with global-average-pool and a dense layer';
  return [
    {
      title: `${title} of ${classes} units`,
      changes: [{ kind: 'insert', path: ['layers', layers.length], values }],
      preferred: true,
    },
  ];
}

/** Make a flat list of features for the dense layer at `index`. */
export function flattenBefore(index: number): readonly ConfigFix[] {
  return (['global-average-pool', 'flatten'] as const).map((type) => ({
    title: `Put ${type} before it`,
    changes: [{ kind: 'insert', path: ['layers', index], values: [{ type }] }],
  }));
}

/** Get a feature map to the layer at `index`, which an earlier layer has made flat. */
export function keepFeatureMap(layers: Layers, index: number): readonly ConfigFix[] {
  const layer = layers[index]!;
  if (flattens(layer)) return [removeFlattening(layers, index)];
  const flattening = layers.findLastIndex((before, i) => i < index && flattens(before));
  const dense = layers.findIndex(({ type }, i) => i > index && type === 'dense');
  if (flattening < 0 || dense < 0 || layers.slice(0, index).some(({ type }) => type === 'dense')) return [];
  const { type } = layers[flattening]!;
  const path = ['layers', flattening];
  const flatAgain = layers.some((later, i) => i > index && i < dense && flattens(later));
  if (flatAgain) return [{ ...removeAt(path, `the ${type} before it`), preferred: true }];
  const values = [layers[flattening]! as Json];
  return [
    {
      title: `Move ${type} to just before the dense layer`,
      changes: [
        { kind: 'remove', path },
        { kind: 'insert', path: ['layers', dense], values },
      ],
      preferred: true,
    },
  ];
}

/** Take out the layers from `index` on that would flatten what is flat already: all of a row, for one would hide the next. */
function removeFlattening(layers: Layers, index: number): ConfigFix {
  const end = layers.findIndex((later, i) => i > index && !flattens(later));
  const count = (end < 0 ? layers.length : end) - index;
  const what = count === 1 ? `this ${layers[index]!.type}: its` : `these ${count} layers: their`;
  return {
    title: `Remove ${what} input is flat already`,
    changes: [{ kind: 'remove', path: ['layers', index], count }],
  };
}

/** Make a window fit that is larger than its input. @param largest the side that would fit */
export function fitWindow(index: number, field: 'kernel' | 'size', largest: number): readonly ConfigFix[] {
  return [
    { ...setField(['layers', index, 'padding'], 'same'), preferred: true },
    setField(['layers', index, field], largest),
  ];
}

/** Make an operator converge that did not without batch normalisation. */
export function makeConverge(index: number): readonly ConfigFix[] {
  return [
    { ...setField(['layers', index, 'batchNorm'], true), preferred: true },
    setField(['layers', index, 'operator', 'angular'], 'cosine'),
  ];
}
