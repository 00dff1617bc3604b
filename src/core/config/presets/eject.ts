import { applyEdits } from 'jsonc-parser';
import { DcnetError } from '../../errors.js';
import type { ConfigFix, Json } from '../fix.js';
import { requireConfig } from '../parse.js';
import type { Config } from '../schema.js';
import { textEdits } from '../textEdits.js';
import { presetLayers, presetOf } from './layersOf.js';

/**
 * Put the layers of a config's preset in its place; the network stays the same, to its initial weights.
 * @param classes those of the data, when known
 * @returns undefined where there is no preset, or the number of its classes is not known
 */
export function ejectFix(config: Pick<Config, 'layers'>, classes: number | undefined): ConfigFix | undefined {
  const preset = presetOf(config);
  const count = preset?.classes ?? classes;
  if (preset === undefined || count === undefined) return undefined;
  const values = presetLayers(preset, count) as readonly Json[];
  return {
    title: `Eject ${preset.preset}: put its ${values.length} layers in its place`,
    changes: [{ kind: 'list', path: ['layers'], values }],
  };
}

/**
 * A config's text with the layers of its preset in place of it; comments elsewhere stay.
 * @throws DcnetError `config` where the text is not valid, has no preset, or nobody knows the number of classes
 */
export function ejectPreset(text: string, file: string, classes: number | undefined): string {
  const { config } = requireConfig(text, file);
  const fix = ejectFix(config, classes);
  if (fix !== undefined) return applyEdits(text, [...textEdits(text, fix)]);
  const isPreset = presetOf(config) !== undefined;
  throw new DcnetError({
    code: 'config',
    message: isPreset
      ? 'The number of classes is not known, since the data cannot be read.'
      : 'The layers are not a preset: there is nothing to eject.',
    remedy: isPreset
      ? 'Give the preset its "classes", or correct data.'
      : 'Name a config with "layers": { "preset": … }.',
    file,
    field: 'layers',
  });
}
