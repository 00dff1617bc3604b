import * as z from 'zod';
import { errorDetailsSchema } from '../../core/errors.js';
import { histogramSchema } from '../../core/statistics/inspection.js';
import { type Contract, method } from '../channel.js';
import { workProgressSchema } from '../engine.js';
import { act, checkpointAction, empty, saveFile } from './shared.js';

const index = z.number().int().nonnegative();

/** One entry of a file's header. */
const tensorSchema = z.object({
  name: z.string(),
  dtype: z.string(),
  shape: z.array(index),
  bytes: index,
});
export type ListedTensor = z.infer<typeof tensorSchema>;

/** What a safetensors file says of itself. */
export const tensorsViewSchema = z.discriminatedUnion('status', [
  z.object({ status: z.literal('error'), error: errorDetailsSchema }),
  z.object({
    status: z.literal('full'),
    file: z.string(),
    bytes: index,
    /** In the order they have in the file; at most some thousands. */
    tensors: z.array(tensorSchema),
    /** Tensors that are not listed. */
    unlisted: index,
    metadata: z.array(z.object({ name: z.string(), value: z.string() })),
    /** The config a checkpoint was trained from. */
    configText: z.string().optional(),
    /** What can be done with it: only a checkpoint of ours can be looked into. */
    actions: z.array(checkpointAction),
  }),
]);
export type TensorsView = z.infer<typeof tensorsViewSchema>;

/** A value, or what is no number in JSON: `NaN`, `∞`, `−∞`. */
const valueSchema = z.union([z.number(), z.string()]);
export type TensorValue = z.infer<typeof valueSchema>;

/** A page has at most so many rows and columns. */
export const pageRows = 50;
export const pageColumns = 20;

export const tensorStatisticsSchema = z.object({
  count: index,
  notFinite: index,
  zeros: index,
  /** Over the finite values; absent where there is none. */
  finite: z
    .object({
      minimum: z.number(),
      maximum: z.number(),
      mean: z.number(),
      deviation: z.number(),
      norm: z.number(),
      histogram: histogramSchema,
    })
    .optional(),
});
export type TensorStatistics = z.infer<typeof tensorStatisticsSchema>;

/** What the host answers to the editor of tensors. */
export const tensorsHostContract = {
  requests: {
    ready: method(empty, tensorsViewSchema),
    /** A part of the last two axes, at a place on the axes before them. */
    page: method(
      z.object({ tensor: z.string(), leading: z.array(index), row: index, column: index }),
      z.object({ values: z.array(z.array(valueSchema)) }),
    ),
    /** Goes through the whole tensor, twice, a chunk at a time. */
    statistics: method(z.object({ tensor: z.string() }), tensorStatisticsSchema, workProgressSchema),
    act,
    openConfig: method(empty, empty),
    saveFile,
  },
  notifications: {},
} satisfies Contract;

export const tensorsPanelContract = {
  requests: {},
  notifications: { show: tensorsViewSchema },
} satisfies Contract;
