import { type LayerConfig, type LayerInput, layerSchema } from '../layerSchema.js';
import type { Config } from '../schema.js';
import { cnn9 } from './cnn9.js';
import { mnist2d } from './mnist2d.js';
import type { Preset } from './presetSchema.js';
import { resnet18, resnet32 } from './resnets.js';

/** Units of the last layer while nobody knows the number of classes: there is no network before it is known. */
const classesToCome = 1;

/**
 * The ordinary layers of a preset, as one would write them. Checkpoints may name it, and keep its layers of then: what it
 * expands to can change without changing what they compute (`withKeptLayers`).
 * @param classes those of the data
 */
export function presetLayers(preset: Preset, classes: number): readonly LayerInput[] {
  const count = preset.classes ?? classes;
  switch (preset.preset) {
    case 'cnn-9':
      return cnn9(preset, count);
    case 'resnet-32':
      return resnet32(preset, count);
    case 'resnet-18':
      return resnet18(preset, count);
    case 'mnist-2d':
      return mnist2d(preset, count);
  }
}

/** The preset of a config, if its layers are one. */
export function presetOf({ layers }: Pick<Config, 'layers'>): Preset | undefined {
  return 'preset' in layers ? layers : undefined;
}

/**
 * The layers of a config, a preset expanded.
 * @param classes those of the data; left out, a preset's last layer has no number of units that means anything
 */
export function layersOf(config: Pick<Config, 'layers'>, classes = classesToCome): readonly LayerConfig[] {
  const { layers } = config;
  if (!('preset' in layers)) return layers;
  return presetLayers(layers, classes).map((layer) => layerSchema.parse(layer));
}
