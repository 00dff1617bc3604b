import * as z from 'zod';
import { environmentSchema } from '../core/run/run.js';
import { inspectionSchema } from '../core/statistics/inspection.js';
import { errorAnalysisSchema } from '../core/verdict/analysis.js';
import { filterAnglesSchema } from './engine.js';

/** Everything a report shows: what is embedded in its page, and all that the page's script gets. */
export const reportSchema = z.object({
  version: z.literal(1),
  dcnetVersion: z.string(),
  writtenAt: z.iso.datetime(),
  inspection: inspectionSchema,
  /** The config's text as it was trained, comments included. */
  configText: z.string(),
  classNames: z.array(z.string()),
  dataSha256: z.string(),
  /** Trained parameters of the layers that have any, in order. */
  parameters: z.array(z.object({ layer: z.string(), count: z.number().int() })),
  /** Angles between filters, of the layers whose matrix is small enough to be part of a page. */
  angles: z.array(z.object({ layer: z.string(), angles: filterAnglesSchema })),
  /** Of the training; absent for a checkpoint outside its run. */
  environment: environmentSchema.optional(),
  /** Where the checkpoint's errors have been explained. */
  errors: errorAnalysisSchema.optional(),
});
export type Report = z.infer<typeof reportSchema>;

/** Id of the element of the page that holds the report as JSON. */
export const reportElementId = 'report';
