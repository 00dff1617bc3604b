import * as z from 'zod';
import { type LayerConfig, layerSchema } from '../layerSchema.js';
import { type ImageShape, resolveNetwork } from '../network.js';
import type { Config } from '../schema.js';
import { presetOf } from './layersOf.js';

/** What of a kept layer its place in the network gives, and no config says. */
const derived = ['index', 'inputShape', 'outputShape', 'fromShape'] as const;

const keptSchema = z.object({ layers: z.array(z.record(z.string(), z.unknown())).min(1) });

/**
 * A config that gives the network it was kept with, whatever its preset stands for by now: the config itself or, where
 * that gives another network, with the kept layers in place of the preset.
 * @param kept a `Network` as JSON has it, of the time when the config was used; one that lacks a field has its default
 * @param input of the data
 * @returns or the sentence that says why nobody can tell what the preset was
 */
export function withKeptLayers(
  config: Config,
  kept: unknown,
  input: { readonly shape: ImageShape; readonly classes: number },
): Config | string {
  const preset = presetOf(config)?.preset;
  if (preset === undefined) return config;
  const unknown = `The config names the preset ${preset}, but which layers that was is not to be told:`;
  const parsed = keptSchema.safeParse(kept);
  if (!parsed.success) return `${unknown} the network is not kept with it.`;
  const layers = z.array(layerSchema).safeParse(parsed.data.layers.map(asWritten));
  if (!layers.success) return `${unknown} a kept layer is not valid.`;
  const ejected: Config = { ...config, layers: layers.data };
  const before = resolveNetwork(ejected, input).network;
  if (before === undefined || !holds(before.layers, parsed.data.layers))
    return `${unknown} the kept layers do not fit the config.`;
  const now = resolveNetwork(config, input).network;
  return now !== undefined && holds(now.layers, before.layers) && holds(before.layers, now.layers)
    ? config
    : ejected;
}

/** A resolved layer as one would write it with every field, not checked yet. */
function asWritten(layer: Readonly<Record<string, unknown>>): unknown {
  const { projection, ...given } = layer;
  const fields = Object.fromEntries(
    Object.entries(given).filter(([field]) => !derived.some((name) => name === field)),
  );
  const { type } = fields as Partial<LayerConfig>;
  if (type === 'conv' || type === 'dense') return { operator: 'inner-product', ...fields };
  if (type !== 'add' || typeof projection !== 'object' || projection === null) return fields;
  return {
    ...fields,
    projection: true,
    ...('batchNorm' in projection ? { batchNorm: projection.batchNorm } : {}),
  };
}

/** Whether a value has every field of another, each with the same value. */
function holds(whole: unknown, part: unknown): boolean {
  if (typeof part !== 'object' || part === null) return Object.is(whole, part);
  if (typeof whole !== 'object' || whole === null) return false;
  if (Array.isArray(part) && (!Array.isArray(whole) || whole.length !== part.length)) return false;
  return Object.entries(part).every(([field, value]) =>
    holds((whole as Readonly<Record<string, unknown>>)[field], value),
  );
}
