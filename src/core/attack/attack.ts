import * as z from 'zod';

/**
 * - `fgsm` one step of size ε (Goodfellow, Shlens and Szegedy 2015, section 4); in ℓ2 along the gradient itself
 * - `bim` small steps, each followed by a projection (Kurakin, Goodfellow and Bengio 2017, section 2.2)
 * - `pgd` as `bim`, from random starts in the ball (Madry et al. 2018, section 2.1)
 */
export const attackNames = ['fgsm', 'bim', 'pgd'] as const;
export type AttackName = (typeof attackNames)[number];
export const attackNameSchema = z.enum(attackNames);

/** How a perturbation is measured: by its largest pixel, or by its Euclidean length over the whole image. */
export const attackNorms = ['linf', 'l2'] as const;
export type AttackNorm = (typeof attackNorms)[number];
export const attackNormSchema = z.enum(attackNorms);

/**
 * Which class a targeted attack moves an image towards:
 * - `least-likely` the one with the least score on the clean image (Kurakin, Goodfellow and Bengio 2017, section 2.3)
 * - `random` a wrong one that is drawn (the average case of Carlini and Wagner 2017)
 * - `next` the one after its own, (label + 1) mod classes
 */
export const targetRules = ['least-likely', 'random', 'next'] as const;

/** A rule, or one class for all images by its name or its number from 0; images of that class are left out. */
export const attackTargetSchema = z.union([z.enum(targetRules), z.object({ class: z.string() })]);
export type AttackTarget = Readonly<z.infer<typeof attackTargetSchema>>;

/** Steps of an iterative attack where nobody asks for a number. */
export const defaultSteps = 10;

/** Everything that an attack depends on, beside network and images. Sizes are in pixel values of 0 to 255. */
export interface AttackOptions {
  readonly attack: AttackName;
  readonly norm: AttackNorm;
  /** The largest ‖x′ − x‖. */
  readonly epsilon: number;
  /** From 1; FGSM has one, whatever this says. */
  readonly steps: number;
  /** Length of a step; left out, {@link defaultStepSize}. FGSM's is ε. */
  readonly stepSize?: number | undefined;
  /** Random starts of PGD, from 1; of each image the one counts that does most. */
  readonly restarts: number;
  /** Of the random starts. */
  readonly seed: number;
}

/**
 * Step where nobody asks for one: all of them together reach 1.25 ε in BIM (Kurakin et al. take min(ε + 4, 1.25 ε) steps
 * of 1) and 2.5 ε in PGD, which has to cross the ball from wherever it starts (Madry et al.).
 */
export function defaultStepSize(attack: AttackName, epsilon: number, steps: number): number {
  switch (attack) {
    case 'fgsm':
      return epsilon;
    case 'bim':
      return (1.25 * epsilon) / steps;
    case 'pgd':
      return (2.5 * epsilon) / steps;
  }
}

/** `PGD`. */
export function attackTitle(attack: AttackName): string {
  return attack.toUpperCase();
}

/** `ℓ∞`. */
export function normTitle(norm: AttackNorm): string {
  return norm === 'linf' ? 'ℓ∞' : 'ℓ2';
}

/** ε of a report where nobody names any, in pixel values; in ℓ2 an image of 28×28 is some 7,000 from black to white. */
export function defaultEpsilons(norm: AttackNorm): readonly number[] {
  return norm === 'linf' ? [0, 1, 2, 4, 8, 16, 32] : [0, 32, 64, 128, 256, 512, 1024];
}

/** A report may ask for so much. */
export const mostEpsilons = 100;
export const mostAttackSteps = 10_000;
export const mostAttackRestarts = 1000;
export const mostStepSize = 1_000_000;

/** The ε of a text, numbers from 0 with commas: in order, each once; or the sentence that says what is wrong. */
export function epsilonsIn(text: string): readonly number[] | string {
  const parts = text.split(',').map((part) => part.trim());
  const values = parts.map(Number);
  if (parts.includes('') || !values.every(Number.isFinite)) return 'They must be numbers, with commas.';
  if (values.some((value) => value < 0)) return 'An ε is not below 0.';
  const epsilons = [...new Set(values)].sort((a, b) => a - b);
  return epsilons.length > mostEpsilons ? `There may be ${mostEpsilons} at most.` : epsilons;
}

/** Images of a report where nobody asks for a number: every one costs some hundreds of passes. */
export const defaultAttackedImages = 500;
