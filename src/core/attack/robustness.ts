import * as z from 'zod';
import { attackNameSchema, attackNormSchema, targetRules } from './attack.js';

const share = z.number();

/** An attack over ε, by the network's own gradients or by those of another. */
export const curveSchema = z.object({
  attack: attackNameSchema,
  access: z.enum(['white-box', 'transfer']),
  /** Of the network under attack, for each ε. */
  accuracies: z.array(share),
  /** Share of the images that are taken for their target, for each ε; a targeted attack's alone. */
  reached: z.array(share).optional(),
  /** For each ε what the attack makes large, mean over images: before each step of the first start, and at the end. */
  objectives: z.array(z.array(z.number())),
});
export type RobustnessCurve = z.infer<typeof curveSchema>;

export const checkSchema = z.object({
  name: z.enum(['attacks', 'falling', 'unbounded', 'iterative', 'white-box', 'noise', 'steps', 'gradients']),
  /** `not-run`: what it needs was not asked for. */
  status: z.enum(['passed', 'failed', 'not-run']),
  /** What was expected, and what was found. */
  sentence: z.string(),
  /** What it means where it failed, and what to do where it was not run. */
  meaning: z.string().optional(),
});
export type RobustnessCheck = z.infer<typeof checkSchema>;

/** What attacks of all sizes do to a checkpoint, and whether they can be believed. */
export const robustnessSchema = z.object({
  version: z.literal(1),
  run: z.string().optional(),
  checkpoint: z.string(),
  checkpointSha256: z.string(),
  epoch: z.number().int(),
  step: z.number().int(),
  data: z.string(),
  split: z.enum(['train', 'test']),
  sampleSize: z.number().int(),
  /** Images of the whole split: `sampleSize` are its first ones, less those that are left out. */
  splitSize: z.number().int(),
  classes: z.number().int(),
  backend: z.string(),
  seed: z.number().int(),
  norm: attackNormSchema,
  /** In pixel values of 0 to 255, increasing. */
  epsilons: z.array(z.number()),
  steps: z.number().int(),
  /** Length of a step of BIM and PGD, in pixel values; absent: `defaultStepSize`. */
  stepSize: z.number().optional(),
  restarts: z.number().int(),
  /** The class that attacks go towards; `false`: just away from the image's own. */
  targeted: z.union([
    z.literal(false),
    z.enum(targetRules),
    /** `leftOut`: images of this class among the first ones, which are not attacked. */
    z.object({ class: z.number().int(), name: z.string(), leftOut: z.number().int() }),
  ]),
  /** What the network was adversarially trained with, in words. */
  adversarial: z.string().optional(),
  /** Whose gradients the transferred attacks use. */
  source: z
    .object({
      checkpoint: z.string(),
      checkpointSha256: z.string(),
      run: z.string().optional(),
      accuracy: share,
    })
    .optional(),
  /** Without an attack. */
  accuracy: share,
  curves: z.array(curveSchema),
  /** Accuracy under random noise as large as the attacks, for each ε. */
  noise: z.array(share),
  /** Share of the images whose gradient is 0 everywhere: no attack by gradients can move them. */
  zeroGradients: share,
  /** PGD with room for any image; absent where only FGSM was asked for. */
  unbounded: z.object({ epsilon: z.number(), steps: z.number().int(), accuracy: share }).optional(),
});
export type RobustnessMeasurement = z.infer<typeof robustnessSchema>;

/** How much is tried, in words: `10 steps of 2, 1 start`. */
export function effortTitle({
  curves,
  steps,
  stepSize,
  restarts,
}: Pick<RobustnessMeasurement, 'curves' | 'steps' | 'stepSize' | 'restarts'>): string {
  if (curves.every(({ attack }) => attack === 'fgsm')) return 'one step of ε';
  const some = (count: number, one: string): string =>
    `${count.toLocaleString('en')} ${count === 1 ? one : `${one}s`}`;
  return `${some(steps, 'step')}${stepSize === undefined ? '' : ` of ${stepSize}`}, ${some(restarts, 'start')}`;
}

/** Where attacks go, in words: `any wrong class`. */
export function goalTitle(targeted: RobustnessMeasurement['targeted']): string {
  if (typeof targeted === 'object')
    return `class ${targeted.class}, ${targeted.name}; ${targeted.leftOut.toLocaleString('en')} ${targeted.leftOut === 1 ? 'image' : 'images'} of this class left out`;
  switch (targeted) {
    case false:
      return 'any wrong class';
    case 'least-likely':
      return 'the class with the least score';
    case 'random':
      return 'a random wrong class';
    case 'next':
      return 'the class after the image’s own';
  }
}
