import * as z from 'zod';
import { positiveInteger } from '../integerSchema.js';

const width = positiveInteger.max(4096);
const classes = positiveInteger
  .min(2)
  .max(65536)
  .optional()
  .describe('Number of classes. Left out: as many as the data has.');
const batchNorm = z
  .boolean()
  .default(true)
  .describe('Batch normalisation after each convolution, and after projections. Default true.');
const activation = z.enum(['relu', 'prelu', 'none']);
const unitsOf = (count: number) => z.array(positiveInteger.max(100)).length(count);

const cnn9Schema = z.strictObject({
  preset: z
    .literal('cnn-9')
    .describe(
      'CNN-9 of the paper’s CIFAR tables: three 3×3 convolutions and a max-pool a stage, three stages, then a dense layer with the network’s operator and without batch normalisation and activation.',
    ),
  widths: z
    .array(width)
    .length(3)
    .default([64, 128, 256])
    .describe('Filters in each stage. Default [64, 128, 256]; SphereNet has [128, 192, 256].'),
  features: width.default(256).describe('Units of the dense layer before the scores. Default 256.'),
  batchNorm,
  activation: activation.default('relu').describe('What follows each convolution. Default relu.'),
  classes,
});

const resnet32Schema = z.strictObject({
  preset: z
    .literal('resnet-32')
    .describe(
      'The authors’ ResNet-32 for CIFAR: a 3×3 convolution without activation, three stages of residual units, global average pool. Projections are plain 1×1 convolutions with batch normalisation.',
    ),
  widths: z
    .array(width)
    .length(3)
    .default([96, 192, 384])
    .describe('Filters in each stage. Default [96, 192, 384].'),
  units: unitsOf(3).default([5, 5, 5]).describe('Residual units in each stage. Default [5, 5, 5].'),
  batchNorm,
  activation: activation
    .default('relu')
    .describe('What follows a unit’s first convolution and its addition. Default relu.'),
  classes,
});

const resnet18Schema = z.strictObject({
  preset: z
    .literal('resnet-18')
    .describe(
      'The authors’ modified ResNet-18 for ImageNet: 7×7 stride 2, max-pool, then stages of residual units with a 3×3 stride-2 convolution before each but the first; nothing follows an addition. Weights start by He’s rule, where the authors take N(0, 0.01²) in units and Xavier’s rule elsewhere.',
    ),
  widths: z
    .array(width)
    .length(4)
    .default([128, 256, 512, 1024])
    .describe('Filters in each stage. Default [128, 256, 512, 1024].'),
  units: unitsOf(4).default([1, 2, 3, 1]).describe('Residual units in each stage. Default [1, 2, 3, 1].'),
  batchNorm,
  activation: activation
    .default('prelu')
    .describe('What follows each convolution but a unit’s second. Default prelu, whose slopes start at 0.'),
  classes,
});

const mnist2dSchema = z.strictObject({
  preset: z
    .literal('mnist-2d')
    .describe(
      'For pictures of what a network makes of its classes (the paper’s figure 1): two 3×3 convolutions and a max-pool a stage, then features of two numbers, then the scores. For images of 24×24 or more.',
    ),
  widths: z
    .array(width)
    .length(3)
    .default([32, 64, 128])
    .describe('Filters in each stage. Default [32, 64, 128].'),
  batchNorm,
  activation: activation
    .default('relu')
    .describe('What follows each convolution but the one that gives the two features. Default relu.'),
  classes,
});

/** Networks by name: each expands to ordinary layers (`presetLayers`). */
export const presetSchema = z.discriminatedUnion('preset', [
  cnn9Schema,
  resnet32Schema,
  resnet18Schema,
  mnist2dSchema,
]);

export type Preset = z.infer<typeof presetSchema>;
export type PresetOf<Name extends Preset['preset']> = Extract<Preset, { readonly preset: Name }>;
