import * as z from 'zod';
import { attackNameSchema } from '../attack/attack.js';
import { verdictSchema } from './verdict.js';

const index = z.number().int().nonnegative();

/** Norms ‖x‖ of a class's penultimate features over its rightly classified images. */
const normRangeSchema = z.object({
  count: z.number().int(),
  minimum: z.number(),
  p05: z.number(),
  p25: z.number(),
  median: z.number(),
  p75: z.number(),
  p95: z.number(),
  maximum: z.number(),
});
export type NormRange = z.infer<typeof normRangeSchema>;

/** All errors of a checkpoint on a split, light enough to be sent whole; what is behind one of them is its `Evidence`. */
export const errorAnalysisSchema = z.object({
  version: z.literal(1),
  run: z.string().optional(),
  checkpoint: z.string(),
  checkpointSha256: z.string(),
  epoch: z.number().int(),
  step: z.number().int(),
  data: z.string(),
  split: z.enum(['train', 'test']),
  sampleSize: z.number().int(),
  accuracy: z.number(),
  backend: z.string(),
  classNames: z.array(z.string()),
  /** Layers with filters, in order: those of the transplants, and last the score layer. */
  layers: z.array(z.string()),
  /** Of every image: its class, and the one the network gives it. */
  labels: z.array(index),
  predicted: z.array(index),
  /** One value for each error, in order of the images. */
  errors: z.object({
    index: z.array(index),
    verdict: z.array(verdictSchema),
    /** Where it turns: a position in `layers`, −1 for nowhere. */
    layer: z.array(z.number().int()),
    /** By how many degrees the features are nearer to the predicted class's weights than to the true class's. */
    marginDegrees: z.array(z.number()),
    featureNorm: z.array(z.number()),
    /** Share of the true class's rightly classified images whose feature norm is no greater; NaN is −1. */
    normPercentile: z.array(z.number()),
    /** Angular visual hardness. */
    hardness: z.array(z.number()),
  }),
  /** ‖x‖ of the penultimate features for each class; `count` 0 where none of its images is classified rightly. */
  featureNorms: z.array(normRangeSchema),
  /** The penultimate features in the plane. */
  embedding: z.object({
    /** `exact`: the features have two components. `projection`: see {@link projectPolar}. */
    method: z.enum(['exact', 'projection']),
    /** Share of the variance of the unit directions that the plane keeps; 1 where exact. */
    kept: z.number(),
    index: z.array(index),
    /** Degrees, −180 to 180. */
    angle: z.array(z.number()),
    /** ‖x‖. */
    radius: z.array(z.number()),
  }),
});
export type ErrorAnalysis = z.infer<typeof errorAnalysisSchema>;

const rescoredSchema = z.object({
  predicted: index,
  /** Logit of the true class less the largest other: above 0 it is right. */
  margin: z.number(),
});

const tracedSchema = z.object({ image: z.number(), donor: z.number(), classMean: z.number() });

/** What is behind the verdict on one error. */
export const evidenceSchema = z.object({
  index,
  label: index,
  predicted: index,
  logits: z.array(z.number()),
  /** Of the penultimate features with each class's weights. */
  cosines: z.array(z.number()),
  /** Logit of the true class less the largest other, as it was. */
  margin: z.number(),
  /** The nearest rightly classified training image of the true class; absent where there is none. */
  donor: z.object({ index, degrees: z.number() }).optional(),
  /** In the order of {@link ErrorAnalysis.layers}, without the score layer. */
  layers: z.array(
    z.object({
      name: z.string(),
      /** With the donor's magnitudes, and with its angles; absent without a donor. */
      norm: rescoredSchema.optional(),
      angle: rescoredSchema.optional(),
      /** Mean h, and mean |g|, over positions and filters; the class mean is over rightly classified images. */
      h: tracedSchema,
      g: tracedSchema,
    }),
  ),
  /** Nearest training images by the angle between penultimate features, nearest first. */
  neighbours: z.array(z.object({ index, label: index, degrees: z.number() })),
});
export type Evidence = z.infer<typeof evidenceSchema>;

/** A run's stored analysis: the light part and one `Evidence` for each error, in the same order. */
export const storedErrorsSchema = z.object({
  analysis: errorAnalysisSchema,
  evidence: z.array(evidenceSchema),
});
export type StoredErrors = z.infer<typeof storedErrorsSchema>;

/** What an attack on all images did, white box and in ℓ∞. */
export const attackSchema = z.object({
  checkpoint: z.string(),
  split: z.enum(['train', 'test']),
  sampleSize: z.number().int(),
  attack: attackNameSchema,
  /** Largest change of a pixel, in pixel values of 0 to 255. */
  epsilon: z.number(),
  accuracy: z.number(),
  accuracyUnderAttack: z.number(),
  /** Of every image: the class the network gives it under attack. */
  predicted: z.array(index),
  /**
   * How far each factor moved, mean over images: ‖h′ − h‖/‖h‖ and ‖g′ − g‖/‖g‖, the Frobenius norm over positions
   * and filters.
   */
  layers: z.array(z.object({ name: z.string(), h: z.number(), g: z.number() })),
});
export type Attack = z.infer<typeof attackSchema>;
