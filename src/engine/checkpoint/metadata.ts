import * as z from 'zod';
import type { Network } from '../../core/config/network.js';
import { withKeptLayers } from '../../core/config/presets/keptLayers.js';
import { configSchema } from '../../core/config/schema.js';

/** Bumped whenever a checkpoint's meaning changes: another version is refused, not guessed at. */
const checkpointVersion = 1;
const formatName = 'dcnet-checkpoint';

const count = z.number().int().nonnegative();

/**
 * What a checkpoint says of itself, beside its tensors. Nothing in it depends on when or where it was written, so that
 * two trainings with one seed write the same bytes.
 */
export const checkpointMetadataSchema = z.object({
  /** The config's text as it was, comments included. */
  configText: z.string(),
  /**
   * The config as read, defaults filled in: what the network is built from. Of a preset that has changed since, the layers
   * that it stood for.
   */
  config: configSchema,
  /** Finished optimiser steps. The image order depends on seed and epoch alone, so this is all the position there is. */
  step: count,
  /** Finished epochs. */
  epoch: count,
  metrics: z.object({
    testLoss: z.number().optional(),
    testAccuracy: z.number().optional(),
    bestTestAccuracy: z.number().optional(),
    bestEpoch: count.optional(),
  }),
  data: z.object({
    name: z.string(),
    sha256: z.string(),
    shape: z.tuple([count, count, count]),
    classNames: z.array(z.string()),
  }),
  backend: z.string(),
});
export type CheckpointMetadata = z.infer<typeof checkpointMetadataSchema>;

const structured = ['config', 'metrics', 'data'] as const;
const numbers = ['step', 'epoch'] as const;

/**
 * As safetensors metadata: texts; what is structured is JSON.
 * @param network the resolved network, for readers in other languages and later versions: a preset in the config is but a
 * name
 */
export function writeMetadata(metadata: CheckpointMetadata, network: Network): Record<string, string> {
  return {
    format: formatName,
    formatVersion: String(checkpointVersion),
    configText: metadata.configText,
    config: JSON.stringify(metadata.config),
    network: JSON.stringify(network),
    step: String(metadata.step),
    epoch: String(metadata.epoch),
    seed: String(metadata.config.seed),
    metrics: JSON.stringify(metadata.metrics),
    data: JSON.stringify(metadata.data),
    backend: metadata.backend,
  };
}

/** The metadata of a checkpoint, or the sentence that says what is wrong with it. */
export function readMetadata(texts: Readonly<Record<string, string>>): CheckpointMetadata | string {
  if (texts.format !== formatName)
    return 'The file holds tensors, but is not a checkpoint of a decoupled network.';
  if (texts.formatVersion !== String(checkpointVersion))
    return `The checkpoint is of format ${texts.formatVersion}, but this version reads format ${checkpointVersion}.`;
  const values: Record<string, unknown> = { ...texts };
  for (const key of structured) {
    values[key] = parsedJson(texts[key]);
    if (values[key] === undefined) return `The metadata’s ${key} is not JSON.`;
  }
  for (const key of numbers) values[key] = Number(texts[key]);
  const parsed = checkpointMetadataSchema.safeParse(values);
  if (!parsed.success)
    return `The metadata is not valid: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}.`;
  const { config, data } = parsed.data;
  const input = { shape: data.shape, classes: data.classNames.length };
  const asMade = withKeptLayers(config, parsedJson(texts.network), input);
  return typeof asMade === 'string' ? asMade : { ...parsed.data, config: asMade };
}

/** What a text says as JSON; undefined where there is none, or it is not JSON. */
function parsedJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
