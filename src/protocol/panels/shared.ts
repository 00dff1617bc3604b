import { z } from 'zod';
import { selectionSchema } from '../../core/statistics/inspection.js';
import { method } from '../channel.js';

/** Neither parameters nor an answer. */
export const empty = z.object({});

/** Save text or a picture where the user says. `saved` is false when they cancel. */
export const saveFile = method(
  z.object({ suggestedName: z.string(), content: z.string(), encoding: z.enum(['utf8', 'base64']) }),
  z.object({ saved: z.boolean() }),
);

/** Interface state only, kept by the webview (`setState`) so that a restored panel shows what it showed. */
export const panelStateSchema = z.object({
  runDirectory: z.string().optional(),
  checkpoint: z.string().optional(),
  selectedLayer: z.string().optional(),
  pinned: z.boolean().optional(),
  /** Absolute path of the second checkpoint. */
  comparedWith: z.string().optional(),
  selection: selectionSchema.optional(),
  filter: z.number().int().nonnegative().optional(),
  /** Position of an image in its split. */
  image: z.number().int().nonnegative().optional(),
});
export type PanelState = z.infer<typeof panelStateSchema>;
