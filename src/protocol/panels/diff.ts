import * as z from 'zod';
import { behaviourComparisonSchema, weightComparisonSchema } from '../../core/comparison/comparison.js';
import { errorDetailsSchema } from '../../core/errors.js';
import { type Contract, method } from '../channel.js';
import { workProgressSchema } from '../engine.js';
import { empty, saveFile } from './shared.js';

/** The second stage: both networks on the same data. */
const behaviourStateSchema = z.discriminatedUnion('status', [
  z.object({ status: z.literal('loading'), progress: workProgressSchema }),
  /** There is no data for both: `reason` says why. */
  z.object({ status: z.literal('none'), reason: z.string() }),
  z.object({ status: z.literal('error'), error: errorDetailsSchema }),
  z.object({ status: z.literal('full'), behaviour: behaviourComparisonSchema }),
]);
export type BehaviourState = z.infer<typeof behaviourStateSchema>;

const comparisonSchema = z.object({ weights: weightComparisonSchema, behaviour: behaviourStateSchema });
export type Comparison = z.infer<typeof comparisonSchema>;

/** What the diff panel is in the middle of: one of these at a time. */
export const diffViewSchema = z.discriminatedUnion('status', [
  /** Nothing to show yet: `message` teaches, the one button picks two checkpoints. */
  z.object({ status: z.literal('empty'), message: z.string() }),
  /** The files are read; `previous` is the last known picture, shown dimmed. */
  z.object({
    status: z.literal('loading'),
    a: z.string(),
    b: z.string(),
    progress: workProgressSchema,
    previous: comparisonSchema.optional(),
  }),
  z.object({
    status: z.literal('error'),
    error: errorDetailsSchema,
    previous: comparisonSchema.optional(),
  }),
  z.object({ status: z.literal('full'), comparison: comparisonSchema }),
]);
export type DiffView = z.infer<typeof diffViewSchema>;

/** What the host answers to a diff panel. */
export const diffHostContract = {
  requests: {
    ready: method(empty, z.object({ view: diffViewSchema })),
    /** B becomes A. */
    swap: method(empty, empty),
    /** The two configs as they were, in VS Code's own diff editor. */
    openConfigDiff: method(empty, empty),
    /** Open the layer panel on a side. */
    inspect: method(z.object({ side: z.enum(['a', 'b']) }), empty),
    /** Pick two checkpoints: the empty state's button. */
    pick: method(empty, empty),
    cancel: method(empty, empty),
    retry: method(empty, empty),
    saveFile,
  },
  notifications: {},
} satisfies Contract;

export const diffPanelContract = {
  requests: {},
  notifications: { show: diffViewSchema },
} satisfies Contract;
