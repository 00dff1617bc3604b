import { z } from 'zod';
import { errorDetailsSchema } from '../core/errors.js';
import { metricsRecordSchema, runStateSchema, summarySchema } from '../core/run/run.js';
import { inspectionSchema } from '../core/statistics/inspection.js';
import { type Contract, method } from './channel.js';
import { workProgressSchema } from './engine.js';

/** Which panel a webview document is: `data-panel` of its body. */
export const panelNames = ['training', 'layer'] as const;
export type PanelName = (typeof panelNames)[number];

const empty = z.object({});

// ── Training panel ─────────────────────────────────────────────────────────────────────────────────────────────

/** Everything the training panel shows: a whole snapshot. */
export const trainingViewSchema = z.object({
  runDirectory: z.string(),
  state: runStateSchema,
  /** Backend and device, for the header. */
  backend: z.string().optional(),
  device: z.string().optional(),
  /** At most some 2,000 records, thinned evenly: `step` and `epoch` records in order of step. */
  metrics: z.array(metricsRecordSchema),
  summary: summarySchema.optional(),
});
export type TrainingView = z.infer<typeof trainingViewSchema>;

/** What the host answers to a training panel. */
export const trainingHostContract = {
  requests: {
    /** The panel is up: show it what there is. */
    ready: method(empty, trainingViewSchema),
    pause: method(empty, empty),
    continue: method(empty, empty),
    stop: method(empty, empty),
    resume: method(empty, empty),
    /** Open the layer panel on the run's newest checkpoint. */
    inspect: method(empty, empty),
    revealConfig: method(empty, empty),
    /** Save text or a picture where the user says. `saved` is false when they cancel. */
    saveFile: method(
      z.object({ suggestedName: z.string(), content: z.string(), encoding: z.enum(['utf8', 'base64']) }),
      z.object({ saved: z.boolean() }),
    ),
  },
  notifications: {},
} satisfies Contract;

export const trainingPanelContract = {
  requests: {},
  notifications: { show: trainingViewSchema, failed: errorDetailsSchema },
} satisfies Contract;

// ── Layer panel ────────────────────────────────────────────────────────────────────────────────────────────────

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
    saveFile: trainingHostContract.requests.saveFile,
  },
  notifications: {},
} satisfies Contract;

export const layerPanelContract = {
  requests: {},
  notifications: {
    show: layerViewSchema,
    /** The cursor moved to a layer of the config. */
    layerSelected: z.object({ layer: z.string() }),
  },
} satisfies Contract;

/** Interface state only, kept by the webview (`setState`) so that a restored panel shows what it showed. */
export const panelStateSchema = z.object({
  runDirectory: z.string().optional(),
  checkpoint: z.string().optional(),
  selectedLayer: z.string().optional(),
  pinned: z.boolean().optional(),
});
export type PanelState = z.infer<typeof panelStateSchema>;
