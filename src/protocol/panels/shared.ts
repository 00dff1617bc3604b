import { z } from 'zod';
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
  /** The checkpoint that it is compared with. */
  other: z.string().optional(),
  selectedLayer: z.string().optional(),
  pinned: z.boolean().optional(),
});
export type PanelState = z.infer<typeof panelStateSchema>;
