import * as z from 'zod';
import { distributionSchema } from '../statistics/inspection.js';

const index = z.number().int().nonnegative();
/** Null where a value cannot be told. */
const perFilter = z.array(z.number().nullable());

/** One of the two checkpoints compared. */
export const comparedCheckpointSchema = z.object({
  /** Absolute path. */
  file: z.string(),
  /** The file that `file` is a copy of, in the version that is committed. */
  committedVersionOf: z.string().optional(),
  run: z.string().optional(),
  /** Without folder and extension, or what a stand-in is a version of: `best (HEAD)`. */
  name: z.string(),
  epoch: z.number().int(),
  step: z.number().int(),
  data: z.string(),
  /** As the training measured them on the whole test split. */
  testAccuracy: z.number().optional(),
  testLoss: z.number().optional(),
  /** Number of weights in layers with filters. */
  weights: z.number().int(),
});
export type ComparedCheckpoint = z.infer<typeof comparedCheckpointSchema>;

/** A field of the config that differs; undefined where a side does not have it. */
export const configChangeSchema = z.object({
  field: z.string(),
  a: z.string().optional(),
  b: z.string().optional(),
});
export type ConfigChange = z.infer<typeof configChangeSchema>;

/** Median, 5th and 95th percentile over filters. */
const spreadSchema = z.object({ median: z.number(), p05: z.number(), p95: z.number() });
export type Spread = z.infer<typeof spreadSchema>;

/** What became of each filter; all lists run over the filters of A that have a counterpart. */
export const filterTableSchema = z.object({
  /** Position in A, and the position in B of the filter with the best cosine. */
  from: z.array(index),
  to: z.array(index),
  /** ln ‖w_B‖ − ln ‖w_A‖. */
  rescaling: perFilter,
  /** Angle between w_A and w_B, degrees. */
  rotation: perFilter,
  normA: perFilter,
  normB: perFilter,
  /** ρ, k and the radius in use, where the layer's operator has one. */
  rhoA: perFilter.optional(),
  rhoB: perFilter.optional(),
  radiusA: perFilter.optional(),
  radiusB: perFilter.optional(),
  kA: perFilter.optional(),
  kB: perFilter.optional(),
  /** Filters without a counterpart. */
  onlyA: z.array(index),
  onlyB: z.array(index),
});
export type FilterTable = z.infer<typeof filterTableSchema>;

/** Two layers that belong together. */
export const layerComparisonSchema = z.object({
  a: z.string(),
  b: z.string(),
  type: z.enum(['conv', 'dense']),
  /** Of the weights. */
  shapeA: z.array(z.number().int()),
  shapeB: z.array(z.number().int()),
  /** Why the weights cannot be compared; the rest is absent then. */
  incomparable: z.string().optional(),
  /** ‖W_B − W_A‖ / ‖W_A‖ over matched filters: rescaling and rotation in one number. */
  movement: z.number().optional(),
  rescaling: spreadSchema.optional(),
  rotation: spreadSchema.optional(),
  /** How many filters of A are at another place in B. */
  reordered: z.number().int().optional(),
  filters: filterTableSchema.optional(),
});
export type LayerComparison = z.infer<typeof layerComparisonSchema>;

/** Two checkpoints, by their files alone. */
export const weightComparisonSchema = z.object({
  a: comparedCheckpointSchema,
  b: comparedCheckpointSchema,
  config: z.array(configChangeSchema),
  /** In A's order. */
  layers: z.array(layerComparisonSchema),
  onlyA: z.array(z.string()),
  onlyB: z.array(z.string()),
  /** Why the two cannot be run on one data set. */
  noCommonData: z.string().optional(),
});
export type WeightComparison = z.infer<typeof weightComparisonSchema>;

const outcomeSchema = z.object({ accuracy: z.number(), loss: z.number() });
const pairOf = <S extends z.ZodType>(schema: S) =>
  z.object({
    a: schema,
    b: schema,
    /** 1-Wasserstein, in the axis' units (norm, or degrees); absent where a side has no values. */
    distance: z.number().optional(),
  });

/** The images on which the predictions changed. */
export const flipsSchema = z.object({
  bothRight: index,
  /** Wrong in A, right in B. */
  fixed: index,
  /** Right in A, wrong in B. */
  broken: index,
  bothWrongAlike: index,
  /** Both wrong, with different labels. */
  bothWrongDifferently: index,
  /** McNemar's test on fixed and broken, two-sided mid-p. */
  midP: z.number(),
  perClass: z.array(z.object({ name: z.string(), images: index, fixed: index, broken: index })),
});
export type Flips = z.infer<typeof flipsSchema>;

/** Two checkpoints on one data set. */
export const behaviourComparisonSchema = z.object({
  data: z.string(),
  split: z.literal('test'),
  sampleSize: z.number().int(),
  backend: z.string(),
  /** The data B was trained on, where they are others than those that both are run on. */
  otherData: z.string().optional(),
  a: outcomeSchema,
  b: outcomeSchema,
  flips: flipsSchema,
  layers: z.array(
    z.object({
      a: z.string(),
      b: z.string(),
      norm: pairOf(distributionSchema),
      angle: pairOf(distributionSchema),
      cka: z.number().nullable(),
    }),
  ),
  /** Unbiased linear CKA of the layers' outputs before normalisation. */
  cka: z.object({
    images: z.number().int(),
    batch: z.number().int(),
    layersA: z.array(z.string()),
    layersB: z.array(z.string()),
    /** [layer of A][layer of B]. */
    values: z.array(z.array(z.number().nullable())),
  }),
});
export type BehaviourComparison = z.infer<typeof behaviourComparisonSchema>;
