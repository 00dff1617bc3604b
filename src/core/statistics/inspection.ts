import * as z from 'zod';
import { angularNames, magnitudeNames, weightingNames } from '../config/operatorSchema.js';

/** `counts[i]` values lie in [edges[i], edges[i+1]); the last bin includes its upper edge. */
export const histogramSchema = z.object({ edges: z.array(z.number()), counts: z.array(z.number()) });
export type Histogram = z.infer<typeof histogramSchema>;

export const distributionSchema = z.object({
  histogram: histogramSchema,
  count: z.number(),
  mean: z.number(),
  /** Standard deviation (of the population). */
  deviation: z.number(),
  minimum: z.number(),
  maximum: z.number(),
  /** 5th, 50th and 95th percentile, interpolated inside histogram bins. */
  p05: z.number(),
  median: z.number(),
  p95: z.number(),
});
export type Distribution = z.infer<typeof distributionSchema>;

/** A stretch of the norm axis in which the magnitude function behaves alike. */
const regimeSchema = z.object({
  name: z.enum(['below the radius', 'beyond the radius']),
  /** Share of (patch, filter) pairs, 0 to 1. */
  share: z.number(),
});

const shape = z.array(z.number().int());

export const layerInspectionSchema = z.object({
  name: z.string(),
  /** Position in the config's `layers`. */
  index: z.number().int(),
  type: z.enum(['conv', 'dense']),
  /** The operator; a plain layer is read as h = ‖w‖‖x‖, g = cos. */
  operator: z.union([
    z.literal('inner-product'),
    z.object({
      magnitude: z.enum(magnitudeNames),
      angular: z.enum(angularNames),
      alpha: z.number(),
      beta: z.number(),
      radius: z.enum(['adaptive', 'fixed']),
      /** How ‖w‖ enters h; absent: not at all. */
      weighting: z.enum(weightingNames).optional(),
      /** B of the square cosine; absent: 2. */
      exponent: z.number().optional(),
    }),
  ]),
  inputShape: shape,
  outputShape: shape,
  filters: z.number().int(),
  /** Patches whose norm reaches the floor: what the distributions are made of. */
  patches: z.number().int(),
  /** Patches left out because their norm is under the floor. */
  weakPatches: z.number().int(),
  /** A thousandth of the mean patch norm in the first batch, zero patches included in the mean. */
  floor: z.number(),
  /** ‖x‖ over patches, without ε. */
  norm: distributionSchema,
  /** θ in degrees over (patch, filter) pairs, without ε. */
  angle: distributionSchema,
  /** Counts of (patch, filter) pairs, row-major [norm bin][angle bin]. */
  joint: z.object({
    normEdges: z.array(z.number()),
    angleEdges: z.array(z.number()),
    counts: z.array(z.number()),
  }),
  /** ‖w‖ of each filter, without ε. */
  weightNorms: z.array(z.number()),
  /** Mean angle of each filter to the patches, in degrees. */
  meanAngles: z.array(z.number()),
  /** Mean response of each filter after normalisation and activation, over all patches, weak ones too. */
  meanResponses: z.array(z.number()),
  /** Share of patches, weak ones too, to which a filter's response is silent: |response| ≤ `silent`. */
  deadShares: z.array(z.number()),
  /** 0 after a ReLU; else a thousandth of the mean |response| in the first batch. */
  silent: z.number(),
  /** Angle of each filter to the nearest other one, in degrees; empty for a single filter. */
  nearestAngles: z.array(z.number()),
  /** Hyperspherical energy with s = 2 on the whole sphere, mean over pairs: 0.5 at right angles, more where filters crowd. */
  energy: z.number().optional(),
  /** ρ of each filter; absent where the operator has no radius. */
  rho: z.array(z.number()).optional(),
  /** The radius in use R of each filter in the unit of ‖x‖ (R = ρ or ρ·E‖x‖; joint-tanh: that over ‖w‖). */
  radius: z.array(z.number()).optional(),
  /** E‖x‖ as stored in the checkpoint; present for adaptive radii. */
  meanPatchNorm: z.number().optional(),
  /** k of each filter; present for the sigmoid. */
  k: z.array(z.number()).optional(),
  /** Present where the operator has a radius. */
  regimes: z.array(regimeSchema).optional(),
});
export type LayerInspection = z.infer<typeof layerInspectionSchema>;

/** Some of a split's images: those of a class, those the network is right or wrong about; left out is all. */
export const selectionSchema = z.object({
  label: z.number().int().nonnegative().optional(),
  outcome: z.enum(['right', 'wrong']).optional(),
});
export type Selection = z.infer<typeof selectionSchema>;

/** What one pass over a data split found in every layer of a checkpoint. */
export const inspectionSchema = z.object({
  version: z.literal(1),
  run: z.string().optional(),
  checkpoint: z.string(),
  /** SHA-256 of the checkpoint's file. */
  checkpointSha256: z.string(),
  epoch: z.number().int(),
  step: z.number().int(),
  data: z.string(),
  split: z.enum(['train', 'test']),
  /** Number of images. */
  sampleSize: z.number().int(),
  accuracy: z.number(),
  /** Of the whole split, in the order of labels. */
  classes: z.array(z.object({ name: z.string(), images: z.number().int(), correct: z.number().int() })),
  /** Present where only some images count; parameters, responses and weak patches' floor stay those of all. */
  selection: selectionSchema.optional(),
  backend: z.string(),
  layers: z.array(layerInspectionSchema),
});
export type Inspection = z.infer<typeof inspectionSchema>;
