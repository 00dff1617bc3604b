import * as z from 'zod';

/** Magnitude functions h(‖x‖) (Decoupled Networks, section 3.3 and table of operators). */
export const magnitudeNames = ['sphere', 'ball', 'tanh', 'linear', 'seg', 'log', 'mix'] as const;
/** Angular activations g(θ) (Decoupled Networks, section 3.4). */
export const angularNames = ['linear', 'cosine', 'square-cosine', 'sigmoid'] as const;

/** How ‖w‖ enters h (Decoupled Networks, section on weighted operators). */
export const weightingNames = ['none', 'linear', 'joint-tanh', 'separate-tanh'] as const;
/** The exponent of the square cosine where nothing else is said. */
export const squareExponent = 2;

const magnitudeSchema = z.enum(magnitudeNames);
const angularSchema = z.enum(angularNames);

const sharing = z.enum(['per-filter', 'per-layer']);
const learned = z.union([z.literal(false), sharing]);

/** One decoupled operator f(w, x) = h(‖w‖, ‖x‖)·g(θ). Fields left out are inherited from the config's `operator`. */
export const operatorSchema = z
  .strictObject({
    magnitude: magnitudeSchema.describe(
      'Magnitude function h(‖x‖): sphere α · ball α·min(‖x‖,R)/R · tanh α·tanh(‖x‖/R) · linear α‖x‖ · seg α‖x‖ up to R, slope β beyond · log α·ln(1+‖x‖) · mix α‖x‖+β·ln(1+‖x‖).',
    ),
    angular: angularSchema.describe(
      'Angular activation g(θ): linear 1−2θ/π · cosine cos θ · square-cosine sign(cos θ)·cos²θ (or another exponent) · sigmoid tanh((π/2−θ)/2k)/tanh(π/4k).',
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
    weighting: z
      .enum(weightingNames)
      .describe(
        'How ‖w‖ enters h: none (the paper’s default) · linear h·‖w‖ · joint-tanh (equation 15) α·tanh(‖x‖‖w‖/R) · separate-tanh (equation 16) α·tanh(‖w‖/ρ)·tanh(‖x‖/R), R = ρ·E‖x‖ or ρ as `radius` says. The last two need the magnitude tanh. Default none.',
      ),
    exponent: z
      .number()
      .min(1)
      .max(16)
      .describe(
        'Exponent B of square-cosine, g = sign(cos θ)·|cos θ|^B. With the magnitude linear it makes a B-cos network. Default 2, the paper’s.',
      ),
    k: z
      .number()
      .min(0.06)
      .max(100)
      .describe(
        'k of the sigmoid angular activation. Default 0.3, and 0.75 where it is learned: there the authors start.',
      ),
    learnK: learned.describe('Whether k is learned, one per filter or one for the layer. Default false.'),
  })
  .partial();

export type MagnitudeName = (typeof magnitudeNames)[number];
export type AngularName = (typeof angularNames)[number];
export type WeightingName = (typeof weightingNames)[number];
export type Sharing = z.infer<typeof sharing>;
export type OperatorInput = z.infer<typeof operatorSchema>;
