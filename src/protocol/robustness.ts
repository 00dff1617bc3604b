import * as z from 'zod';
import { checkSchema, robustnessSchema } from '../core/attack/robustness.js';

/** Everything a robustness report shows: what is embedded in its page, and all that the page's script gets. */
export const robustnessReportSchema = z.object({
  dcnetVersion: z.string(),
  writtenAt: z.iso.datetime(),
  measurement: robustnessSchema,
  checks: z.array(checkSchema),
});
export type RobustnessReport = z.infer<typeof robustnessReportSchema>;
