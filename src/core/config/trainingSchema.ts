import * as z from 'zod';
import { attackNormSchema, attackTitle, defaultSteps, normTitle } from '../attack/attack.js';
import { positiveInteger } from './integerSchema.js';

const defaultAdam = {
  type: 'adam',
  learningRate: 0.001,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-7,
  epsilonOn: 'corrected',
} as const;

export const optimizerSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('adam'),
    learningRate: z
      .number()
      .positive()
      .max(100)
      .default(defaultAdam.learningRate)
      .describe('Default 0.001, the authors’.'),
    beta1: z
      .number()
      .min(0)
      .lt(1)
      .default(defaultAdam.beta1)
      .describe('Decay of the mean of the gradients. Default 0.9, the authors’.'),
    beta2: z
      .number()
      .min(0)
      .lt(1)
      .default(defaultAdam.beta2)
      .describe('Decay of the mean of the squared gradients. Default 0.999, the authors’.'),
    epsilon: z
      .number()
      .positive()
      .max(1)
      .default(defaultAdam.epsilon)
      .describe(
        'ε, which keeps the step finite where gradients were 0: see epsilonOn. Default 1e-7; the authors’ 1e-8 (raw).',
      ),
    epsilonOn: z
      .enum(['corrected', 'raw'])
      .default(defaultAdam.epsilonOn)
      .describe(
        'What ε is added to. corrected: rate·m̂/(√v̂ + ε), algorithm 1 of Adam’s paper. raw: rate·√(1 − β₂ᵗ)/(1 − β₁ᵗ)·m/(√v + ε), as TensorFlow 1, the authors’ framework: an ε/√(1 − β₂ᵗ) of the other kind. Default corrected.',
      ),
  }),
  z.strictObject({
    type: z.literal('sgd'),
    learningRate: z.number().positive().max(100).default(0.1).describe('Default 0.1, the authors’.'),
    momentum: z.number().min(0).lt(1).default(0.9).describe('Default 0.9, the authors’.'),
    nesterov: z
      .boolean()
      .default(false)
      .describe('Nesterov’s momentum: the gradient plus momentum times the new velocity. Default false.'),
  }),
]);

const warmupSteps = z
  .number()
  .int()
  .nonnegative()
  .default(0)
  .describe('Linear warm-up, in steps: step t of n takes t/n of the learning rate. Default 0.');

export const scheduleSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('constant').describe('The same learning rate throughout.'),
    warmupSteps,
  }),
  z.strictObject({
    type: z.literal('step').describe('Multiply the learning rate at given steps.'),
    at: z
      .array(positiveInteger)
      .min(1)
      .refine((at) => at.every((step, i) => i === 0 || step > at[i - 1]!), 'the steps must increase')
      .describe('Steps (iterations), increasing.'),
    factor: z.number().positive().max(1).default(0.1).describe('Default 0.1.'),
    warmupSteps,
  }),
  z.strictObject({
    type: z.literal('cosine').describe('Cosine from the learning rate to 0 over the whole training.'),
    warmupSteps: warmupSteps.describe('Linear warm-up before it, in steps. Default 0.'),
  }),
]);

/** Of a config that says neither `epochs` nor `steps`. */
export const defaultEpochs = 10;

/** What training does, beside data and network. */
export const trainingFields = {
  optimizer: optimizerSchema.default(defaultAdam),
  schedule: scheduleSchema.default({ type: 'constant', warmupSteps: 0 }),
  epochs: positiveInteger
    .max(1_000_000)
    .optional()
    .describe(`Passes over the training images. Default ${defaultEpochs}; not together with steps.`),
  steps: positiveInteger
    .max(1_000_000_000)
    .optional()
    .describe(
      'Steps (iterations) after which training ends, in place of epochs. The last epoch may be a part of one: it too ends with an evaluation and a checkpoint.',
    ),
  batch: positiveInteger.max(65536).default(64).describe('Images a step. Default 64.'),
  seed: z
    .number()
    .int()
    .nonnegative()
    .max(2 ** 31 - 1)
    .default(1)
    .describe('Seed of initial weights, image order and augmentation. Default 1.'),
  augmentation: z
    .strictObject({
      mirrorPad: z
        .number()
        .int()
        .nonnegative()
        .max(1024)
        .default(0)
        .describe(
          'Pixels of mirrored border (the edge repeated) from which a random window of the image’s size, or that of crop, is cut. Default 0; the authors’ 4 on CIFAR.',
        ),
      crop: z
        .tuple([positiveInteger, positiveInteger])
        .optional()
        .describe(
          'Height and width of what the network takes of each image: in training a random window (of the mirrored border, too), everywhere else the middle. Left out: the whole image. The authors’ [224, 224] of 256×256 on ImageNet.',
        ),
      flip: z
        .boolean()
        .default(false)
        .describe('Mirror every other image, at random, left to right. Default false.'),
    })
    .optional()
    .describe(
      'Random changes to the training images, anew in each epoch; they depend on seed, epoch and image alone. Tests, inspections and attacks see the images as they are, or their middle where there is a crop. Left out: none.',
    ),
  loss: z
    .strictObject({
      epsilon: z
        .number()
        .nonnegative()
        .max(0.1)
        .default(0)
        .describe('ε of −Σ t·log(softmax + ε). Default 0, the softmax cross entropy; the authors’ 1e-4.'),
    })
    .default({ epsilon: 0 })
    .describe(
      'The loss that training lowers. The test loss is the softmax cross entropy always, without ε and label smoothing.',
    ),
  labelSmoothing: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe('Label smoothing of the training loss. Default 0; the authors’ 0.01.'),
  weightDecay: z
    .number()
    .nonnegative()
    .max(1)
    .default(0)
    .describe(
      'L2 decay ½λ‖·‖² of plain filters, dense weights and batch normalisation; never of decoupled filters, ρ or k. Default 0; the authors’ 5e-4 on CIFAR.',
    ),
  averageDecay: z
    .number()
    .min(0)
    .lt(1)
    .default(0.999)
    .describe(
      'Decay of the running averages used at test time (batch normalisation, mean patch norm), zero-debiased. Default 0.999 as the authors; 0.99 suits trainings of under some 5,000 steps.',
    ),
} as const;

export type OptimizerConfig = z.infer<typeof optimizerSchema>;
export type ScheduleConfig = z.infer<typeof scheduleSchema>;
type Augmentation = NonNullable<z.infer<(typeof trainingFields)['augmentation']>>;
export type AugmentationConfig = Readonly<Omit<Augmentation, 'crop'>> & { readonly crop?: Crop | undefined };
/** What a network takes of an image. */
export type Crop = readonly [height: number, width: number];

const ball = {
  epsilon: z
    .number()
    .min(0)
    .max(1_000_000)
    .describe(
      'The largest perturbation, in pixel values of 0 to 255: of a pixel (linf) or of the image’s Euclidean length (l2).',
    ),
  norm: attackNormSchema.default('linf').describe('How a perturbation is measured. Default linf.'),
  share: z
    .number()
    .gt(0)
    .max(1)
    .default(0.5)
    .describe('Share of each batch that is attacked; the rest stays as it is. Default 0.5.'),
};
const iterative = {
  ...ball,
  steps: positiveInteger
    .max(1000)
    .default(defaultSteps)
    .describe(`Steps of the attack. Default ${defaultSteps}.`),
  stepSize: z
    .number()
    .positive()
    .max(1_000_000)
    .optional()
    .describe('Length of a step, in pixel values. Left out: 1.25 ε/steps (bim), 2.5 ε/steps (pgd).'),
};

export const adversarialSchema = z.discriminatedUnion('attack', [
  z.strictObject({ attack: z.literal('fgsm').describe('One step of size ε.'), ...ball }),
  z.strictObject({ attack: z.literal('bim').describe('Small steps, from the image.'), ...iterative }),
  z.strictObject({
    attack: z.literal('pgd').describe('Small steps, from a random start in the ball.'),
    ...iterative,
  }),
]);
export type AdversarialConfig = z.infer<typeof adversarialSchema>;

/** `PGD on 50 % of each batch, ℓ∞ ≤ 8, 7 steps`. */
export function describeAdversarial({ attack, norm, epsilon, share, ...rest }: AdversarialConfig): string {
  const steps = 'steps' in rest ? `, ${rest.steps} ${rest.steps === 1 ? 'step' : 'steps'}` : '';
  return `${attackTitle(attack)} on ${Number((share * 100).toPrecision(3))} % of each batch, ${normTitle(norm)} ≤ ${epsilon}${steps}`;
}
