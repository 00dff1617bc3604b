import * as z from 'zod';
import { errorDetailsSchema } from '../../core/errors.js';
import { histogramSchema, inspectionSchema, selectionSchema } from '../../core/statistics/inspection.js';
import { type Contract, method } from '../channel.js';
import { filterAnglesSchema, imageMapsSchema, sampleImagesSchema, workProgressSchema } from '../engine.js';
import { act, empty, saveFile } from './shared.js';

/** What the layer panel is in the middle of: one of these at a time. */
export const layerViewSchema = z.discriminatedUnion('status', [
  /** Nothing to show yet: `message` teaches, `action` is the one button. */
  z.object({
    status: z.literal('empty'),
    message: z.string(),
    action: z.object({ label: z.string(), command: z.enum(['train', 'createSample']) }),
  }),
  /** Measuring; `previous` is the last known picture, shown dimmed. */
  z.object({
    status: z.literal('loading'),
    checkpoint: z.string(),
    progress: workProgressSchema,
    previous: inspectionSchema.optional(),
  }),
  z.object({ status: z.literal('error'), error: errorDetailsSchema, previous: inspectionSchema.optional() }),
  z.object({ status: z.literal('full'), inspection: inspectionSchema }),
]);
export type LayerView = z.infer<typeof layerViewSchema>;

/** A second checkpoint, B, beside the first in every chart. */
export const secondViewSchema = z.discriminatedUnion('status', [
  z.object({ status: z.literal('none') }),
  z.object({ status: z.literal('loading'), checkpoint: z.string(), progress: workProgressSchema }),
  z.object({ status: z.literal('full'), inspection: inspectionSchema }),
]);
export type SecondView = z.infer<typeof secondViewSchema>;

/** One layer in one checkpoint of the run, over the whole test split. */
const epochOfLayerSchema = z.object({
  norm: histogramSchema,
  angle: histogramSchema,
  medianNorm: z.number(),
  medianAngle: z.number(),
  /** Mean over filters; absent where the operator has no radius. */
  radius: z.number().optional(),
});

/** A checkpoint of the run; `layer` is absent until it is measured. */
export const epochSchema = z.object({
  /** Without folder and extension: `epoch-0003`. */
  name: z.string(),
  /** Absolute path. */
  checkpoint: z.string(),
  layer: epochOfLayerSchema.optional(),
});
export type Epoch = z.infer<typeof epochSchema>;

const layerName = z.object({ layer: z.string() });

/** What the host answers to a layer panel. */
export const layerHostContract = {
  requests: {
    ready: method(
      empty,
      z.object({ view: layerViewSchema, selectedLayer: z.string().optional(), pinned: z.boolean() }),
    ),
    /** The user picked a layer: reveal its line in the config. */
    selectLayer: method(layerName, empty),
    /** Follow the cursor, or stay. */
    setPinned: method(z.object({ pinned: z.boolean() }), empty),
    /** Stop measuring. */
    cancel: method(empty, empty),
    retry: method(empty, empty),
    /** Count only some of the images. */
    select: method(selectionSchema, empty),
    /** Show another checkpoint of the run. */
    openCheckpoint: method(z.object({ checkpoint: z.string() }), empty),
    /** Let the user pick a second checkpoint. */
    compare: method(empty, empty),
    stopComparing: method(empty, empty),
    /** The run's checkpoints in their order, with what is known of one layer in each. */
    epochs: method(layerName, z.array(epochSchema)),
    /** Measure the run's checkpoints that are not measured yet. */
    measureEpochs: method(empty, empty, workProgressSchema),
    filterAngles: method(layerName, filterAnglesSchema),
    sampleImages: method(
      z.object({
        selection: selectionSchema,
        from: z.number().int().nonnegative(),
        count: z.number().int().positive(),
      }),
      sampleImagesSchema,
      workProgressSchema,
    ),
    imageMaps: method(
      z.object({
        index: z.number().int().nonnegative(),
        layer: z.string(),
        filter: z.number().int().nonnegative(),
      }),
      imageMapsSchema,
    ),
    /** The empty state's button. */
    runAction: method(z.object({ command: z.enum(['train', 'createSample']) }), empty),
    act,
    saveFile,
  },
  notifications: {},
} satisfies Contract;

export const layerPanelContract = {
  requests: {},
  notifications: {
    show: layerViewSchema,
    showSecond: secondViewSchema,
    /** Something the user asked for failed; what is shown stays. */
    failed: errorDetailsSchema,
    /** The cursor moved to a layer of the config, or the user `asked` for it: then a pinned panel shows it, too. */
    layerSelected: z.object({ layer: z.string(), asked: z.boolean().optional() }),
  },
} satisfies Contract;
