import * as z from 'zod';

/** Magnitude functions h(‖x‖) (Decoupled Networks, section 3.3 and table of operators). */
export const magnitudeNames = ['sphere', 'ball', 'tanh', 'linear', 'seg', 'log', 'mix'] as const;
/** Angular activations g(θ) (Decoupled Networks, section 3.4). */
export const angularNames = ['linear', 'cosine', 'square-cosine', 'sigmoid'] as const;

const magnitudeSchema = z.enum(magnitudeNames);
const angularSchema = z.enum(angularNames);

const layerName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]*$/, 'a name starts with a letter and has only letters, digits, _ and -')
  .max(64)
  .describe('Name of the layer, unique in the network. Left out: type and number, such as conv1.');
const positiveInteger = z.number().int().positive();
const sharing = z.enum(['per-filter', 'per-layer']);
const learned = z.union([z.literal(false), sharing]);

/** One decoupled operator f(w, x) = h(‖x‖)·g(θ). Fields left out are inherited from the config's `operator`. */
export const operatorSchema = z
  .strictObject({
    magnitude: magnitudeSchema.describe(
      'Magnitude function h(‖x‖): sphere α · ball α·min(‖x‖,R)/R · tanh α·tanh(‖x‖/R) · linear α‖x‖ · seg α‖x‖ up to R, slope β beyond · log α·ln(1+‖x‖) · mix α‖x‖+β·ln(1+‖x‖).',
    ),
    angular: angularSchema.describe(
      'Angular activation g(θ): linear 1−2θ/π · cosine cos θ · square-cosine sign(cos θ)·cos²θ · sigmoid tanh((π/2−θ)/2k)/tanh(π/4k).',
    ),
    alpha: z.number().positive().max(1e6).describe('Scale α of the magnitude function. Default 1.'),
    beta: z
      .number()
      .nonnegative()
      .max(1e6)
      .describe(
        'β: the slope of seg beyond the radius (default 0.5), the weight of the logarithm in mix (default 1).',
      ),
    radius: z
      .enum(['adaptive', 'fixed'])
      .describe(
        'What ρ means. adaptive (the authors’ code): the radius in use is R = ρ·E‖x‖, the layer’s mean patch norm times ρ. fixed (the paper’s text): R = ρ.',
      ),
    rho: z.number().positive().max(1e6).describe('Initial ρ of ball, tanh and seg. Default 1.'),
    learnRho: learned.describe(
      'Whether ρ is learned by back-propagation, one per filter or one for the layer. Default per-filter.',
    ),
    k: z.number().min(0.06).max(100).describe('k of the sigmoid angular activation. Default 0.3.'),
    learnK: learned.describe('Whether k is learned, one per filter or one for the layer. Default false.'),
  })
  .partial();

const activation = z
  .enum(['relu', 'none'])
  .describe('What follows the layer (after batch normalisation). Default relu for conv, none for dense.');
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
      'A fully connected layer (plain inner product, no bias). The last layer gives one score a class.',
    ),
  name: layerName.optional(),
  units: positiveInteger.max(65536).describe('Number of outputs. For the last layer: the number of classes.'),
  batchNorm: z.boolean().default(false).describe('Batch normalisation after the layer. Default false.'),
  activation: activation.default('none'),
});

export const layerSchema = z.discriminatedUnion('type', [
  convSchema,
  maxPoolSchema,
  averagePoolSchema,
  globalAveragePoolSchema,
  flattenSchema,
  denseSchema,
]);

const bundledDataSchema = z.strictObject({
  dataset: z
    .enum(['fashion-mnist-sample'])
    .describe(
      'A data set that comes with the extension: fashion-mnist-sample has 5,000 training and 1,000 test images, 28×28, 10 classes.',
    ),
});
const idxDataSchema = z.strictObject({
  idx: z
    .string()
    .min(1)
    .describe(
      'Folder of IDX files (gzip or not), relative to this config: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte.',
    ),
  classNames: z
    .array(z.string().min(1))
    .min(2)
    .max(65536)
    .optional()
    .describe('Names of the classes, in the order of the labels.'),
});

const optimizerSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('adam'),
    learningRate: z.number().positive().max(100).default(0.001).describe('Default 0.001.'),
  }),
  z.strictObject({
    type: z.literal('sgd'),
    learningRate: z.number().positive().max(100).default(0.1).describe('Default 0.1.'),
    momentum: z.number().min(0).lt(1).default(0.9).describe('Default 0.9.'),
  }),
]);

const scheduleSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('constant').describe('The same learning rate throughout.') }),
  z.strictObject({
    type: z.literal('step').describe('Multiply the learning rate at given steps.'),
    at: z
      .array(positiveInteger)
      .min(1)
      .refine((at) => at.every((step, i) => i === 0 || step > at[i - 1]!), 'the steps must increase')
      .describe('Steps (iterations), increasing.'),
    factor: z.number().positive().max(1).default(0.1).describe('Default 0.1.'),
  }),
  z.strictObject({
    type: z.literal('cosine').describe('Cosine from the learning rate to 0 over the whole training.'),
    warmupSteps: z
      .number()
      .int()
      .nonnegative()
      .default(0)
      .describe('Linear warm-up before it, in steps. Default 0.'),
  }),
]);

/** A `*.dcnet.json` file: JSON with comments and trailing commas. */
export const configSchema = z.strictObject({
  $schema: z.string().optional(),
  data: z
    .union([bundledDataSchema, idxDataSchema])
    .describe('The images: a bundled data set or a folder of IDX files.'),
  operator: operatorSchema
    .default({})
    .describe(
      'The decoupled operator of every conv layer that does not say otherwise. Default TanhConv with cosine.',
    ),
  layers: z.array(layerSchema).min(1).max(1000).describe('The network, from the image to the class scores.'),
  optimizer: optimizerSchema.default({ type: 'adam', learningRate: 0.001 }),
  schedule: scheduleSchema.default({ type: 'constant' }),
  epochs: positiveInteger.max(1_000_000).default(10).describe('Passes over the training images. Default 10.'),
  batch: positiveInteger.max(65536).default(64).describe('Images a step. Default 64.'),
  seed: z
    .number()
    .int()
    .nonnegative()
    .max(2 ** 31 - 1)
    .default(1)
    .describe('Seed of initial weights and image order. Default 1.'),
  projection: z
    .strictObject({ every: positiveInteger.describe('Steps between projections.') })
    .optional()
    .describe(
      'Weight projection: every so many steps w ← w/√(‖w‖²+1e-4) for decoupled filters. Left out: none.',
    ),
  averageDecay: z
    .number()
    .min(0)
    .lt(1)
    .default(0.999)
    .describe(
      'Decay of the running averages used at test time (batch normalisation, mean patch norm), zero-debiased. Default 0.999 as the authors; 0.99 suits trainings of under some 5,000 steps.',
    ),
  labelSmoothing: z.number().min(0).lt(1).default(0).describe('Label smoothing. Default 0.'),
  weightDecay: z
    .number()
    .nonnegative()
    .max(1)
    .default(0)
    .describe(
      'L2 decay ½λ‖·‖² of plain filters, dense weights and batch normalisation; never of decoupled filters or ρ. Default 0.',
    ),
});

export type MagnitudeName = (typeof magnitudeNames)[number];
export type AngularName = (typeof angularNames)[number];
export type Sharing = z.infer<typeof sharing>;
export type OperatorInput = z.infer<typeof operatorSchema>;
export type LayerConfig = z.infer<typeof layerSchema>;
export type DataConfig = z.infer<typeof configSchema>['data'];
export type OptimizerConfig = z.infer<typeof optimizerSchema>;
export type ScheduleConfig = z.infer<typeof scheduleSchema>;
/** A config as read, defaults filled in; what `resolveNetwork` turns into a network. */
export type Config = z.infer<typeof configSchema>;
