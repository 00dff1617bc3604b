import * as z from 'zod';
import { errorDetailsSchema } from '../errors.js';
import { batchPartsSchema } from './batchParts.js';
import { runtimeRecordSchema } from './runtime.js';

/**
 * A run is a folder `runs/<name>/`:
 * - `config.dcnet.json`  the config's text as it was
 * - `environment.json`   versions, backend, device, precision (each newest, and all it had), seed, data hash, git commit
 * - `metrics.jsonl`      append-only: one `MetricsRecord` a line
 * - `state.json`         one `RunState`, replaced atomically when it changes
 * - `checkpoints/epoch-0001.dcnet.safetensors` …, `best.dcnet.safetensors`
 * - `inspections/<checkpoint>.json`  stored `Inspection`s
 * - `summary.json`       when it is over
 */
export const runFiles = {
  config: 'config.dcnet.json',
  environment: 'environment.json',
  metrics: 'metrics.jsonl',
  state: 'state.json',
  summary: 'summary.json',
  checkpoints: 'checkpoints',
  inspections: 'inspections',
} as const;

export const checkpointExtension = '.dcnet.safetensors';
export const configExtension = '.dcnet.json';

const isoTime = z.iso.datetime();

/** What computed a run. */
const computedBySchema = z.object({
  backend: z.string(),
  backendVersion: z.string(),
  device: z.string(),
  /** Older runs do not say. */
  precision: z.enum(['fp32', 'fp16']).default('fp32'),
});
export type ComputedBy = z.infer<typeof computedBySchema>;

export const environmentSchema = computedBySchema.extend({
  dcnetVersion: z.string(),
  node: z.string(),
  platform: z.string(),
  cpu: z.string(),
  cores: z.number().int(),
  /** All that computed it, in their order, where they were more than one: the last is the one above. */
  history: z
    .array(computedBySchema.extend({ /** Finished steps when it began. */ fromStep: z.number().int() }))
    .default([]),
  /** Why this runtime, and why no other. */
  runtime: runtimeRecordSchema.optional(),
  /** Threads that computed on WebAssembly when it began; results do not depend on it. */
  workers: z.number().int().positive().default(1),
  seed: z.number().int(),
  data: z.object({
    name: z.string(),
    sha256: z.string(),
    trainImages: z.number().int(),
    testImages: z.number().int(),
    classNames: z.array(z.string()),
  }),
  gitCommit: z.string().optional(),
  configFile: z.string().optional(),
  startedAt: isoTime,
});
export type Environment = z.infer<typeof environmentSchema>;

/** One line of `metrics.jsonl`. `step` counts finished optimiser steps from 1. */
export const metricsRecordSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('step'),
    step: z.number().int(),
    epoch: z.number().int(),
    /** Mean over the steps since the previous record. */
    loss: z.number(),
    /** Training accuracy over the same steps, 0 to 1. */
    accuracy: z.number(),
    learningRate: z.number(),
    imagesPerSecond: z.number(),
    /** Seconds of training so far, pauses left out. */
    seconds: z.number(),
  }),
  z.object({
    type: z.literal('epoch'),
    step: z.number().int(),
    /** Finished epochs, from 1. */
    epoch: z.number().int(),
    /** Over the whole test split. */
    testLoss: z.number(),
    testAccuracy: z.number(),
    /** Of ten classes or more; older runs have none. */
    testTop5Accuracy: z.number().optional(),
    seconds: z.number(),
    checkpoint: z.string(),
    /** Health of the decoupled layers, measured on the epoch's last training batch. */
    layers: z.array(
      z.object({
        name: z.string(),
        meanPatchNorm: z.number(),
        /** Mean over filters of the radius in use R. Absent where the operator has none. */
        radius: z.number().optional(),
        /** Hyperspherical energy of the filters (s = 2): 0.5 at right angles. Older runs have none. */
        energy: z.number().optional(),
      }),
    ),
  }),
  z.object({
    type: z.literal('event'),
    step: z.number().int(),
    event: z.enum(['started', 'paused', 'continued', 'resumed', 'stopped', 'failed', 'completed']),
    time: isoTime,
    message: z.string().optional(),
  }),
]);
export type MetricsRecord = z.infer<typeof metricsRecordSchema>;

export const runStatuses = [
  'queued',
  'preparing',
  'running',
  'paused',
  'stopped',
  'failed',
  'completed',
] as const;
export type RunStatus = (typeof runStatuses)[number];
/** A run that is over; `stopped` can be resumed. */
export function isOver(status: RunStatus): boolean {
  return status === 'stopped' || status === 'failed' || status === 'completed';
}

/** A whole snapshot of a run; also the content of `state.json` and the engine's event. */
export const runStateSchema = z.object({
  name: z.string(),
  status: z.enum(runStatuses),
  /** Where the config was read: relative data paths start there, also when the run is resumed. */
  configFile: z.string().optional(),
  /** Process that trains it, while it is not over. */
  pid: z.number().int().optional(),
  /** 1-based place in the queue, while `queued`. */
  queuePosition: z.number().int().optional(),
  backend: z.string().optional(),
  /** What computes it now, or did last. */
  runtime: runtimeRecordSchema.optional(),
  /** Images of a folder that are decoded, while `preparing`. */
  reading: z.object({ done: z.number().int(), total: z.number().int() }).optional(),
  /** Known once the run was prepared. */
  batch: batchPartsSchema.optional(),
  /** What its batches are attacked with, in words; loss and accuracy are then those of the mixed batches. */
  adversarial: z.string().optional(),
  step: z.number().int(),
  totalSteps: z.number().int(),
  /** Older runs do not say: all of their epochs have as many steps. */
  stepsPerEpoch: z.number().int().positive().optional(),
  /** The one under way, from 1. */
  epoch: z.number().int(),
  /** Of the last one, `totalSteps` may leave a part. */
  epochs: z.number().int(),
  loss: z.number().optional(),
  accuracy: z.number().optional(),
  learningRate: z.number().optional(),
  testAccuracy: z.number().optional(),
  bestTestAccuracy: z.number().optional(),
  imagesPerSecond: z.number().optional(),
  secondsLeft: z.number().optional(),
  updatedAt: isoTime,
  error: errorDetailsSchema.optional(),
});
export type RunState = z.infer<typeof runStateSchema>;

export const summarySchema = z.object({
  name: z.string(),
  status: z.enum(['stopped', 'failed', 'completed']),
  steps: z.number().int(),
  epochs: z.number().int(),
  /** Accuracy on the test split after the last epoch: the number to report. */
  testAccuracy: z.number().optional(),
  testLoss: z.number().optional(),
  /** The best over all epochs: chosen on the test split, so optimistic. */
  bestTestAccuracy: z.number().optional(),
  bestEpoch: z.number().int().optional(),
  trainSeconds: z.number(),
  /** Training images a second over the whole run, evaluation and checkpoints left out. */
  imagesPerSecond: z.number(),
  backend: z.string(),
  device: z.string(),
  batch: batchPartsSchema.optional(),
  checkpoint: z.string().optional(),
  bestCheckpoint: z.string().optional(),
  parameters: z.number().int(),
  finishedAt: isoTime,
  error: errorDetailsSchema.optional(),
});
export type Summary = z.infer<typeof summarySchema>;
