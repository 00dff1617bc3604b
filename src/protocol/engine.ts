import { z } from 'zod';
import { behaviourComparisonSchema, weightComparisonSchema } from '../core/comparison/comparison.js';
import { runStateSchema, summarySchema } from '../core/run/run.js';
import { inspectionSchema } from '../core/statistics/inspection.js';
import { type Contract, method } from './channel.js';

/** Bumped whenever a message changes: an engine of another version is not talked to. */
export const protocolVersion = 2;

const backendNames = ['wasm', 'tensorflow', 'cpu'] as const;
export const backendSchema = z.enum(['auto', ...backendNames]);
export type BackendChoice = z.infer<typeof backendSchema>;

/** How far long work is. */
export const workProgressSchema = z.object({
  /** What is being done, for people: `Measuring conv2`. */
  activity: z.string(),
  done: z.number(),
  total: z.number(),
});
export type WorkProgress = z.infer<typeof workProgressSchema>;

export const runtimeReportSchema = z.object({
  name: z.string(),
  available: z.boolean(),
  version: z.string().optional(),
  device: z.string().optional(),
  /** Why it is not available, and what to do. */
  reason: z.string().optional(),
});
export type RuntimeReport = z.infer<typeof runtimeReportSchema>;
export const doctorReportSchema = z.object({
  dcnetVersion: z.string(),
  node: z.string(),
  platform: z.string(),
  cpu: z.string(),
  cores: z.number().int(),
  memoryGiB: z.number(),
  runtimes: z.array(runtimeReportSchema),
  /** The runtime `auto` chooses. */
  chosen: z.string(),
});
export type DoctorReport = z.infer<typeof doctorReportSchema>;

export const dataInfoSchema = z.object({
  name: z.string(),
  /** [height, width, channels]. */
  shape: z.tuple([z.number().int(), z.number().int(), z.number().int()]),
  classes: z.number().int(),
  classNames: z.array(z.string()),
  trainImages: z.number().int(),
  testImages: z.number().int(),
});
export type DataInfo = z.infer<typeof dataInfoSchema>;

const runDirectory = z.object({ runDirectory: z.string() });
const empty = z.object({});

export const evaluationSchema = z.object({
  checkpoint: z.string(),
  data: z.string(),
  split: z.enum(['train', 'test']),
  sampleSize: z.number().int(),
  accuracy: z.number(),
  loss: z.number(),
  imagesPerSecond: z.number(),
  backend: z.string(),
  perClass: z.array(z.object({ name: z.string(), images: z.number().int(), accuracy: z.number() })),
});
export type Evaluation = z.infer<typeof evaluationSchema>;

/** A checkpoint to compare. */
const comparedFileSchema = z.object({
  file: z.string(),
  /** For a copy of another version: the file that it is a version of, whose data it was trained on, and what to call it. */
  standsFor: z.object({ file: z.string(), name: z.string() }).optional(),
});
export type ComparedFile = z.infer<typeof comparedFileSchema>;
const comparedFiles = z.object({ a: comparedFileSchema, b: comparedFileSchema });

/** What the engine process answers. Paths are absolute. */
export const engineContract = {
  requests: {
    hello: method(
      empty,
      z.object({
        protocolVersion: z.number().int(),
        pid: z.number().int(),
        backend: z.string(),
        device: z.string(),
      }),
    ),
    doctor: method(empty, doctorReportSchema),
    /** Shape, classes and sizes of a config's data, from its headers. */
    describeData: method(z.object({ configFile: z.string(), configText: z.string() }), dataInfoSchema),
    /**
     * Check the config, make the run folder and queue the run; answers at once.
     * @throws `config` or `data` errors before anything is written
     */
    startRun: method(
      z.object({
        configFile: z.string(),
        configText: z.string(),
        runsDirectory: z.string(),
        name: z.string().optional(),
      }),
      z.object({ runDirectory: z.string(), state: runStateSchema }),
    ),
    /** Continue a stopped or failed run from its newest checkpoint. */
    resumeRun: method(runDirectory, z.object({ state: runStateSchema })),
    /** Hold after the current step / go on. */
    pauseRun: method(runDirectory, z.object({ state: runStateSchema })),
    continueRun: method(runDirectory, z.object({ state: runStateSchema })),
    /** Stop after the current step, with a checkpoint; takes a queued run out of the queue. */
    stopRun: method(runDirectory, z.object({ state: runStateSchema })),
    /** Runs queued or under way in this engine. */
    listRuns: method(empty, z.array(z.object({ runDirectory: z.string(), state: runStateSchema }))),
    evaluate: method(
      z.object({ checkpoint: z.string(), split: z.enum(['train', 'test']) }),
      evaluationSchema,
      workProgressSchema,
    ),
    /** Norms and angles of every layer over a split; stored in the run folder and read from there the next time. */
    inspect: method(
      z.object({
        checkpoint: z.string(),
        split: z.enum(['train', 'test']),
        limit: z.number().int().positive().optional(),
      }),
      inspectionSchema,
      workProgressSchema,
    ),
    /** Two checkpoints by their files alone: config, layers, filters. */
    compareWeights: method(comparedFiles, weightComparisonSchema, workProgressSchema),
    /** Two checkpoints on the test split of A's data: accuracy, predictions, norms and angles, CKA. */
    compareBehaviour: method(comparedFiles, behaviourComparisonSchema, workProgressSchema),
  },
  notifications: {},
} satisfies Contract;

/** What the engine tells whoever is connected. */
export const engineEventsContract = {
  requests: {},
  notifications: {
    /** A whole snapshot, at most ten a second for each run. */
    runChanged: z.object({ runDirectory: z.string(), state: runStateSchema }),
    runFinished: z.object({ runDirectory: z.string(), summary: summarySchema }),
    log: z.object({ level: z.enum(['info', 'warn', 'error']), message: z.string() }),
  },
} satisfies Contract;

export type EngineContract = typeof engineContract;
export type EngineEventsContract = typeof engineEventsContract;

/** Written beside the engine's socket, so that a reloaded window finds the engine again. */
export const enginePresenceSchema = z.object({
  protocolVersion: z.number().int(),
  pid: z.number().int(),
  socket: z.string(),
});
