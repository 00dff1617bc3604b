import { describe, expect, it } from 'vitest';
import { type ImageShape, resolveNetwork } from '../../src/core/config/network.js';
import { withKeptLayers } from '../../src/core/config/presets/keptLayers.js';
import { presetSchema } from '../../src/core/config/presets/presetSchema.js';
import { type Config, configSchema } from '../../src/core/config/schema.js';

const input = { shape: [32, 32, 3] as ImageShape, classes: 10 };

interface Kept {
  layers: Record<string, unknown>[];
}

function configOf(layers: object, operator: object | string = {}): Config {
  return configSchema.parse({ data: { idx: 'data' }, operator, layers });
}

/** The network of a config, as a checkpoint's text gives it back. */
function keptOf(config: Config): Kept {
  const { network } = resolveNetwork(config, input);
  return JSON.parse(JSON.stringify(network)) as Kept;
}

describe('the layers that a preset stood for', () => {
  const presets = presetSchema.options.map(({ shape }) => shape.preset.value);

  it.each(presets)('of %s are the preset itself as long as that gives them', (preset) => {
    for (const operator of [
      {},
      'inner-product',
      { magnitude: 'mix', angular: 'sigmoid', learnK: 'per-layer' },
    ])
      for (const batchNorm of [true, false]) {
        const config = configOf({ preset, batchNorm }, operator);
        expect(withKeptLayers(config, keptOf(config), input)).toBe(config);
      }
  });

  it.each(presets)('of %s take its place once it gives others', (preset) => {
    const config = configOf({ preset });
    for (const variant of [
      { preset, batchNorm: false, activation: 'prelu' },
      { preset, activation: 'none' },
    ])
      for (const operator of [{}, 'inner-product', { magnitude: 'ball', radius: 'fixed', rho: 3 }]) {
        const kept = keptOf(configOf(variant, operator));
        const found = withKeptLayers(config, kept, input) as Config;
        expect(found).toEqual({ ...config, layers: expect.any(Array) });
        expect(keptOf(found)).toEqual(kept);
      }
  });

  it('have the defaults of what they do not tell: fields that came later', () => {
    const config = configOf({ preset: 'cnn-9' });
    const kept = keptOf(config);
    for (const { operator } of kept.layers)
      delete (operator as Record<string, unknown> | undefined)?.exponent;
    expect(withKeptLayers(config, kept, input)).toBe(config);
  });

  it('are not asked for where the config lists its layers', () => {
    const config = configOf([{ type: 'flatten' }, { type: 'dense', units: 10 }]);
    expect(withKeptLayers(config, undefined, input)).toBe(config);
  });

  it.each<[string, (kept: Kept) => unknown, RegExp]>([
    ['nothing is kept', () => undefined, /preset cnn-9.*not kept with it/],
    ['no layers are kept', (kept) => ({ ...kept, layers: [] }), /not kept with it/],
    [
      'a layer is of a kind that nobody knows',
      (kept) => ({ layers: kept.layers.map((layer, i) => (i === 3 ? { ...layer, type: 'fold' } : layer)) }),
      /not valid/,
    ],
    [
      'a layer has a field that nobody knows',
      (kept) => ({ layers: kept.layers.map((layer) => ({ ...layer, twist: 1 })) }),
      /not valid/,
    ],
    [
      'the layers give another shape than they say',
      (kept) => ({ layers: kept.layers.map((layer) => ({ ...layer, inputShape: [1, 1, 1] })) }),
      /do not fit/,
    ],
    ['the scores are left out', (kept) => ({ layers: kept.layers.slice(0, -1) }), /do not fit/],
  ])('cannot be told where %s', (_, spoil, message) => {
    const config = configOf({ preset: 'cnn-9' });
    expect(withKeptLayers(config, spoil(keptOf(config)), input)).toMatch(message);
  });
});
