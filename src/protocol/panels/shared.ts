import * as z from 'zod';
import { selectionSchema } from '../../core/statistics/inspection.js';
import { normalisations } from '../../core/verdict/confusion.js';
import { verdictSchema } from '../../core/verdict/verdict.js';
import { method } from '../channel.js';

/** Neither parameters nor an answer. */
export const empty = z.object({});

/** Save text or a picture where the user says. `saved` is false when they cancel. */
export const saveFile = method(
  z.object({ suggestedName: z.string(), content: z.string(), encoding: z.enum(['utf8', 'base64']) }),
  z.object({ saved: z.boolean() }),
);

export const checkpointAction = z.enum([
  'inspectLayers',
  'explainErrors',
  'compareCheckpoints',
  'exportReport',
]);
/** A command on the checkpoint that a panel shows. */
export type CheckpointAction = z.infer<typeof checkpointAction>;
/** Run a command on the checkpoint that is shown. */
export const act = method(z.object({ action: checkpointAction }), empty);

/** What is chosen in the errors panel. Classes are numbers, images positions in the split. */
const errorsStateSchema = z.object({
  label: z.number().int().optional(),
  predicted: z.number().int().optional(),
  verdict: verdictSchema.optional(),
  layer: z.string().optional(),
  change: z.enum(['fixed', 'regressed', 'both wrong']).optional(),
  image: z.number().int().optional(),
  normalise: z.enum(normalisations).optional(),
  order: z.enum(['label', 'similarity']).optional(),
  diagonal: z.boolean().optional(),
  /** Cells of fewer images are left empty. */
  threshold: z.number().int().optional(),
  matrix: z.enum(['first', 'second', 'difference']).optional(),
});
export type ErrorsState = z.infer<typeof errorsStateSchema>;

/** Interface state only, kept by the webview (`setState`) so that a restored panel shows what it showed. */
export const panelStateSchema = z.object({
  runDirectory: z.string().optional(),
  checkpoint: z.string().optional(),
  /** The checkpoint that it is compared with, B. */
  second: z.string().optional(),
  /** Which of the two was the file's committed version. */
  committed: z.enum(['first', 'second']).optional(),
  selectedLayer: z.string().optional(),
  pinned: z.boolean().optional(),
  errors: errorsStateSchema.optional(),
  selection: selectionSchema.optional(),
  filter: z.number().int().nonnegative().optional(),
  /** Position of an image in its split. */
  image: z.number().int().nonnegative().optional(),
});
export type PanelState = z.infer<typeof panelStateSchema>;
