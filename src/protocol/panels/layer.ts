import { z } from 'zod';
import { errorDetailsSchema } from '../../core/errors.js';
import { inspectionSchema } from '../../core/statistics/inspection.js';
import { type Contract, method } from '../channel.js';
import { workProgressSchema } from '../engine.js';
import { empty, saveFile } from './shared.js';

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

/** What the host answers to a layer panel. */
export const layerHostContract = {
  requests: {
    ready: method(
      empty,
      z.object({ view: layerViewSchema, selectedLayer: z.string().optional(), pinned: z.boolean() }),
    ),
    /** The user picked a layer: reveal its line in the config. */
    selectLayer: method(z.object({ layer: z.string() }), empty),
    /** Follow the cursor, or stay. */
    setPinned: method(z.object({ pinned: z.boolean() }), empty),
    /** Stop measuring. */
    cancel: method(empty, empty),
    retry: method(empty, empty),
    /** The empty state's button. */
    runAction: method(z.object({ command: z.enum(['train', 'createSample']) }), empty),
    saveFile,
  },
  notifications: {},
} satisfies Contract;

export const layerPanelContract = {
  requests: {},
  notifications: {
    show: layerViewSchema,
    /** The cursor moved to a layer of the config, or the user `asked` for it: then a pinned panel shows it, too. */
    layerSelected: z.object({ layer: z.string(), asked: z.boolean().optional() }),
  },
} satisfies Contract;
