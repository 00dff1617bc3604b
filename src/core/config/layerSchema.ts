import * as z from 'zod';
import { positiveInteger } from './integerSchema.js';

import { operatorSchema } from './operatorSchema.js';

const layerName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]*$/, 'a name starts with a letter and has only letters, digits, _ and -')
  .max(64)
  .describe('Name of the layer, unique in the network. Left out: type and number, such as conv1.');
const activation = z
  .enum(['relu', 'prelu', 'none'])
  .describe(
    'What follows the layer (after batch normalisation, after an addition): relu, prelu (a learned slope below 0 for each channel, from initialSlope) or none. Default relu for conv and add, none for dense.',
  );
const initialSlope = z
  .number()
  .min(0)
  .max(1)
  .optional()
  .describe('Slope with which prelu starts. Default 0.25, its paper’s; the authors’ 0 on ImageNet.');
const padding = z
  .enum(['same', 'valid'])
  .describe('Zero padding: same (output = input / stride, rounded up) or valid (none). Default same.');

const convSchema = z.strictObject({
  type: z.literal('conv').describe('A convolution with the decoupled operator, or with the inner product.'),
  name: layerName.optional(),
  filters: positiveInteger.max(4096).describe('Number of filters (output channels).'),
  kernel: positiveInteger.max(64).default(3).describe('Side of the square kernel. Default 3.'),
  stride: positiveInteger.max(64).default(1).describe('Stride. Default 1.'),
  padding: padding.default('same'),
  operator: z
    .union([operatorSchema, z.literal('inner-product')])
    .optional()
    .describe(
      'Operator of this layer: fields override the config’s operator; "inner-product" makes a plain convolution.',
    ),
  batchNorm: z
    .boolean()
    .default(true)
    .describe('Batch normalisation after the layer (ε 1e-3, decay 0.999). Default true.'),
  activation: activation.default('relu'),
  initialSlope,
});

const poolFields = {
  name: layerName.optional(),
  size: positiveInteger.max(64).default(2).describe('Side of the pooling window. Default 2.'),
  stride: positiveInteger.max(64).optional().describe('Stride. Default: the window’s size.'),
  padding: padding.default('valid'),
};
const maxPoolSchema = z.strictObject({
  type: z.literal('max-pool').describe('Maximum over a window.'),
  ...poolFields,
});
const averagePoolSchema = z.strictObject({
  type: z.literal('average-pool').describe('Mean over a window.'),
  ...poolFields,
});
const globalAveragePoolSchema = z.strictObject({
  type: z.literal('global-average-pool').describe('Mean over all positions: [N, H, W, C] → [N, C].'),
  name: layerName.optional(),
});
const flattenSchema = z.strictObject({
  type: z.literal('flatten').describe('[N, H, W, C] → [N, H·W·C].'),
  name: layerName.optional(),
});
const denseSchema = z.strictObject({
  type: z
    .literal('dense')
    .describe(
      'A fully connected layer without bias: a plain inner product, or a decoupled one where it has an operator. The last layer gives one score a class.',
    ),
  name: layerName.optional(),
  units: positiveInteger.max(65536).describe('Number of outputs. For the last layer: the number of classes.'),
  operator: z
    .union([operatorSchema, z.literal('inner-product')])
    .optional()
    .describe(
      'Operator of this layer, over its whole list of features: {} is the config’s operator (or its inner product), fields override it. Default "inner-product".',
    ),
  batchNorm: z.boolean().default(false).describe('Batch normalisation after the layer. Default false.'),
  activation: activation.default('none'),
  initialSlope,
});

const addSchema = z.strictObject({
  type: z
    .literal('add')
    .describe('A residual connection: what reaches it + what an earlier layer gave (after its activation).'),
  name: layerName.optional(),
  from: layerName.describe('Name of the earlier layer, such as conv1.'),
  projection: z
    .boolean()
    .default(false)
    .describe(
      'Where the shapes differ: a plain 1×1 convolution on the way from the earlier layer, its stride the ratio of the sides, without bias and with weight decay. Default false.',
    ),
  batchNorm: z
    .boolean()
    .optional()
    .describe('Batch normalisation after the projection. Default true where there is one.'),
  activation: activation.default('relu'),
  initialSlope,
});

export const layerSchema = z.discriminatedUnion('type', [
  convSchema,
  maxPoolSchema,
  averagePoolSchema,
  globalAveragePoolSchema,
  flattenSchema,
  denseSchema,
  addSchema,
]);

/** A layer as it is written: what has a default may be left out. */
export type LayerInput = z.input<typeof layerSchema>;
export type LayerConfig = z.infer<typeof layerSchema>;
