import * as z from 'zod';
import { errorDetailsSchema } from '../../core/errors.js';
import { metricsRecordSchema, runStateSchema, summarySchema } from '../../core/run/run.js';
import { type Contract, method } from '../channel.js';
import { empty, saveFile } from './shared.js';

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
    saveFile,
  },
  notifications: {},
} satisfies Contract;

export const trainingPanelContract = {
  requests: {},
  notifications: { show: trainingViewSchema, failed: errorDetailsSchema },
} satisfies Contract;
