import * as z from 'zod';
import { dataSchema } from './dataSchema.js';
import { filterTrainingFields } from './filterTrainingSchema.js';
import { layerSchema } from './layerSchema.js';
import { normalizationSchema } from './normalizationSchema.js';
import { operatorSchema } from './operatorSchema.js';
import { presetSchema } from './presets/presetSchema.js';
import { adversarialSchema, trainingFields } from './trainingSchema.js';

/** A `*.dcnet.json` file: JSON with comments and trailing commas. */
export const configSchema = z.strictObject({
  $schema: z.string().optional(),
  data: dataSchema,
  operator: z
    .union([operatorSchema, z.literal('inner-product')])
    .default({})
    .describe(
      'The decoupled operator of every conv layer that does not say otherwise, or "inner-product" for a plain network. Default TanhConv with cosine.',
    ),
  layers: z
    .union([z.array(layerSchema).min(1).max(1000), presetSchema])
    .describe(
      'The network, from the image to the class scores: a list of layers, or a preset such as { "preset": "cnn-9" }.',
    ),
  normalization: normalizationSchema,
  ...trainingFields,
  ...filterTrainingFields,
  adversarial: adversarialSchema
    .optional()
    .describe(
      'Adversarial training: a share of each batch is attacked before the step, with the weights as they are then and, as at test time, the running averages (averageDecay). Left out: none.',
    ),
});

/** A config as read, defaults filled in; what `resolveNetwork` turns into a network. */
export type Config = z.infer<typeof configSchema>;
