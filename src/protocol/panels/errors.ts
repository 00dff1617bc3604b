import * as z from 'zod';
import { errorDetailsSchema } from '../../core/errors.js';
import { attackSchema, errorAnalysisSchema } from '../../core/verdict/analysis.js';
import { type Contract, method } from '../channel.js';
import { attackedImageSchema, errorAttack, errorEvidenceSchema, workProgressSchema } from '../engine.js';
import { dataImageSchema } from '../images.js';
import { act, empty, saveFile } from './shared.js';

/** A checkpoint's errors, and those of a second one on the same data where there is one to compare with. */
export const errorPictureSchema = z.object({
  analysis: errorAnalysisSchema,
  second: errorAnalysisSchema.optional(),
});
export type ErrorPicture = z.infer<typeof errorPictureSchema>;

const emptyAction = z.enum(['train', 'createSample']);

/** What the errors panel is in the middle of: one of these at a time. */
export const errorsViewSchema = z.discriminatedUnion('status', [
  /** Nothing to show yet: `message` teaches, `action` is the one button. */
  z.object({
    status: z.literal('empty'),
    message: z.string(),
    action: z.object({ label: z.string(), command: emptyAction }),
  }),
  /** Explaining; `previous` is the last known picture, shown dimmed. */
  z.object({
    status: z.literal('loading'),
    checkpoint: z.string(),
    progress: workProgressSchema,
    previous: errorPictureSchema.optional(),
  }),
  z.object({
    status: z.literal('error'),
    error: errorDetailsSchema,
    previous: errorPictureSchema.optional(),
  }),
  z.object({ status: z.literal('full'), picture: errorPictureSchema }),
]);
export type ErrorsView = z.infer<typeof errorsViewSchema>;

/** Which of the two checkpoints is asked about. */
const of = z.enum(['first', 'second']);
export type Which = z.infer<typeof of>;
const indices = z.array(z.number().int().nonnegative()).max(100);

/** What the host answers to an errors panel. */
export const errorsHostContract = {
  requests: {
    ready: method(empty, z.object({ view: errorsViewSchema })),
    /** Stop explaining. */
    cancel: method(empty, empty),
    retry: method(empty, empty),
    /** The empty state's button. */
    runAction: method(z.object({ command: emptyAction }), empty),
    /** What is behind the verdict on one error. */
    evidence: method(z.object({ of, index: z.number().int().nonnegative() }), errorEvidenceSchema),
    /** Images of the test split. */
    images: method(z.object({ indices }), z.array(dataImageSchema)),
    /** Let the user pick a checkpoint to compare with; nothing happens when they pick none. */
    compare: method(empty, empty),
    stopComparing: method(empty, empty),
    attack: method(z.object(errorAttack), attackSchema, workProgressSchema),
    attackedImages: method(z.object({ ...errorAttack, indices }), z.array(attackedImageSchema)),
    act,
    saveFile,
  },
  notifications: {},
} satisfies Contract;

export const errorsPanelContract = {
  requests: {},
  notifications: { show: errorsViewSchema },
} satisfies Contract;
