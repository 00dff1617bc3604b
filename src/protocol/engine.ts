import * as z from 'zod';
import {
  attackNameSchema,
  attackNormSchema,
  attackTargetSchema,
  mostAttackRestarts,
  mostAttackSteps,
  mostEpsilons,
  mostStepSize,
} from '../core/attack/attack.js';
import { behaviourComparisonSchema, weightComparisonSchema } from '../core/comparison/comparison.js';
import { checkedBy, downloadNames } from '../core/data/downloads.js';
import { runStateSchema, summarySchema } from '../core/run/run.js';
import { runtimeRecordSchema } from '../core/run/runtime.js';
import { inspectionSchema, selectionSchema } from '../core/statistics/inspection.js';
import { attackSchema, errorAnalysisSchema, evidenceSchema } from '../core/verdict/analysis.js';
import { type Contract, method } from './channel.js';
import { dataImageSchema } from './images.js';
import { robustnessReportSchema } from './robustness.js';

/** Bumped whenever a message changes: an engine of another version is not talked to. */
export const protocolVersion = 6;

export const backendNameSchema = z.enum(['wasm', 'tensorflow', 'webgpu', 'cpu']);
export type BackendName = z.infer<typeof backendNameSchema>;
export const backendSchema = z.enum(['auto', ...backendNameSchema.options]);
export type BackendChoice = z.infer<typeof backendSchema>;
/** What decoupled convolutions keep activations and weights in while they compute; sums are float32 always. */
export const precisionSchema = z.enum(['fp32', 'fp16']);
export type Precision = z.infer<typeof precisionSchema>;

/** How far long work is. */
export const workProgressSchema = z.object({
  /** What is being done, for people: `Measuring conv2`. */
  activity: z.string(),
  done: z.number(),
  total: z.number(),
});
export type WorkProgress = z.infer<typeof workProgressSchema>;

export const runtimeReportSchema = z.object({
  name: backendNameSchema,
  available: z.boolean(),
  version: z.string().optional(),
  device: z.string().optional(),
  /** Whether the device is a program that stands in for one: `auto` never takes it. */
  simulated: z.boolean().optional(),
  /** Training images a second of the trial network that `auto` chooses by; absent where it had no choice to make. */
  imagesPerSecond: z.number().optional(),
  /** Why it is not available, and what to do; of one that is, why `auto` leaves it out. */
  reason: z.string().optional(),
});
export type RuntimeReport = z.infer<typeof runtimeReportSchema>;
export const doctorReportSchema = z.object({
  dcnetVersion: z.string(),
  node: z.string(),
  /** The program that it runs in. */
  nodePath: z.string(),
  platform: z.string(),
  cpu: z.string(),
  cores: z.number().int(),
  memoryGiB: z.number(),
  runtimes: z.array(runtimeReportSchema),
  /** The runtime `auto` chooses; absent until it has chosen by a measurement, which its first start makes. */
  chosen: z.string().optional(),
  /** Why `auto` chooses it. */
  choice: z.string().optional(),
  /** What computes in the process that was asked, where that is an engine. */
  running: runtimeRecordSchema.optional(),
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

/** PyPI's TensorFlow for the CPU or for CUDA 12, or npm's prebuilt (CUDA 11.2). */
export const tensorflowVariants = ['cpu', 'cuda12', 'npm-prebuilt'] as const;
export type TensorflowVariant = (typeof tensorflowVariants)[number];

/** A runtime to go on with that the settings do not name, and why, for the run's record. */
export const otherRuntimeSchema = z.object({ backend: backendNameSchema, because: z.string() });
export type OtherRuntime = z.infer<typeof otherRuntimeSchema>;

const runDirectory = z.object({ runDirectory: z.string() });
const empty = z.object({});

export const evaluationSchema = z.object({
  checkpoint: z.string(),
  data: z.string(),
  split: z.enum(['train', 'test']),
  sampleSize: z.number().int(),
  accuracy: z.number(),
  /** Share of the images whose class is among the five with the largest scores; of ten classes or more. */
  top5Accuracy: z.number().optional(),
  loss: z.number(),
  imagesPerSecond: z.number(),
  backend: z.string(),
  /** Threads that shared the images; 1 where the backend has threads of its own. */
  workers: z.number().int().positive(),
  perClass: z.array(z.object({ name: z.string(), images: z.number().int(), accuracy: z.number() })),
});
export type Evaluation = z.infer<typeof evaluationSchema>;

const splitOfCheckpoint = { checkpoint: z.string(), split: z.enum(['train', 'test']) };

/** One filter over one image; maps are row-major [height, width] of the layer's output. */
export const imageMapsSchema = z.object({
  image: dataImageSchema,
  labelName: z.string(),
  predictedName: z.string(),
  height: z.number().int(),
  width: z.number().int(),
  /** ‖x‖ of each patch, without ε. */
  norm: z.array(z.number()),
  /** θ in degrees, without ε; 90 for a patch of zeros. */
  angle: z.array(z.number()),
  /** What the operator gives. */
  output: z.array(z.number()),
  /** What the next layer sees: after normalisation and activation. */
  response: z.array(z.number()),
});
export type ImageMaps = z.infer<typeof imageMapsSchema>;

/** Images of a split, some at a time. */
export const sampleImagesSchema = z.object({
  /** How many there are in all. */
  count: z.number().int(),
  images: z.array(dataImageSchema.extend({ predicted: z.number().int() })),
});
export type SampleImages = z.infer<typeof sampleImagesSchema>;

/** Angles between the filters of a layer. */
export const filterAnglesSchema = z.object({
  filters: z.number().int(),
  /** θ·65535/180 of the pairs i < j in order of i, then j; little-endian 16-bit, base64. */
  angles: z.string(),
});
export type FilterAngles = z.infer<typeof filterAnglesSchema>;

/** More filters would make a message of more than 1 MB. */
export const mostMatrixFilters = 800;
const ofCheckpoint = z.object(splitOfCheckpoint);
/** Which attack, and its ε in pixel values. */
export const errorAttack = { attack: attackNameSchema, epsilon: z.number().min(0).max(255) };

export const errorEvidenceSchema = z.object({
  evidence: evidenceSchema,
  image: dataImageSchema,
  /** Of the training split. */
  donor: dataImageSchema.optional(),
  neighbours: z.array(dataImageSchema),
});
export type ErrorEvidence = z.infer<typeof errorEvidenceSchema>;

export const attackedImageSchema = z.object({ before: dataImageSchema, after: dataImageSchema });
export type AttackedImage = z.infer<typeof attackedImageSchema>;

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
        runtime: runtimeRecordSchema,
      }),
    ),
    doctor: method(empty, doctorReportSchema),
    /**
     * Install a TensorFlow runtime for this user; engines that start from then on find it. The warning says why it does not
     * compute on the GPU that is here.
     * @throws `backend` with every missing tool, or the failed step's last lines; `cancelled`: nothing is left then
     */
    setUpTensorflow: method(
      z.object({ variant: z.enum(tensorflowVariants) }),
      z.object({
        folder: z.string(),
        version: z.string(),
        device: z.string(),
        warning: z.string().optional(),
      }),
      workProgressSchema,
    ),
    /**
     * Fetch a data set into a folder; what was cut goes on, what is there already is checked.
     * @throws `usage`: the folder holds something else; `data`: what is there is not as it was published; `io`; `cancelled`
     */
    downloadData: method(
      z.object({ name: z.enum(downloadNames), folder: z.string() }),
      z.object({ fetched: z.boolean(), checked: z.enum(checkedBy) }),
      workProgressSchema,
    ),
    /**
     * Install Dawn for this user; engines that start from then on find it. The device is `null` where it finds no GPU.
     * @throws `backend` with what is missing, or the failed step's last lines; `cancelled`: nothing is left then
     */
    setUpWebgpu: method(
      empty,
      z.object({ folder: z.string(), version: z.string(), device: z.string().nullable() }),
      workProgressSchema,
    ),
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
    /**
     * Continue a stopped or failed run from its newest checkpoint; one that failed for memory, or whose process was killed,
     * with half the images at a time, where `halve` is asked for.
     * @throws `usage`, also where this engine does not compute with the runtime that is asked for; `config`, `data`
     */
    resumeRun: method(
      runDirectory.extend({ halve: z.boolean().optional(), on: otherRuntimeSchema.optional() }),
      z.object({ state: runStateSchema }),
    ),
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
    /**
     * Norms and angles of every layer over a split or a selection of its images; stored in the run folder and read from
     * there the next time.
     */
    inspect: method(
      z.object({
        ...splitOfCheckpoint,
        limit: z.number().int().positive().optional(),
        selection: selectionSchema.optional(),
      }),
      inspectionSchema,
      workProgressSchema,
    ),
    /** Norm, angle and output of one filter over one image. */
    imageMaps: method(
      z.object({
        ...splitOfCheckpoint,
        index: z.number().int().nonnegative(),
        layer: z.string(),
        filter: z.number().int().nonnegative(),
      }),
      imageMapsSchema,
    ),
    /** Images `from` to `from + count` of a selection, with what the network takes them for. */
    sampleImages: method(
      z.object({
        ...splitOfCheckpoint,
        selection: selectionSchema,
        from: z.number().int().nonnegative(),
        count: z.number().int().positive().max(100),
      }),
      sampleImagesSchema,
      workProgressSchema,
    ),
    filterAngles: method(z.object({ checkpoint: z.string(), layer: z.string() }), filterAnglesSchema),
    /** Every error of a checkpoint with its verdict; stored in the run folder and read from there the next time. */
    explainErrors: method(ofCheckpoint, errorAnalysisSchema, workProgressSchema),
    /** What is behind the verdict on one error, with the images it speaks of. */
    errorEvidence: method(
      ofCheckpoint.extend({ index: z.number().int().nonnegative() }),
      errorEvidenceSchema,
      workProgressSchema,
    ),
    /** Images of a checkpoint's data, by their positions in the split. */
    images: method(
      ofCheckpoint.extend({ indices: z.array(z.number().int().nonnegative()).max(200) }),
      z.array(dataImageSchema),
    ),
    /** Every image under an attack in ℓ∞; the factors that it moved. `epsilon` in pixel values. */
    attack: method(ofCheckpoint.extend(errorAttack), attackSchema, workProgressSchema),
    /** Images before and after the attack. */
    attackedImages: method(
      ofCheckpoint.extend({ ...errorAttack, indices: z.array(z.number().int().nonnegative()).max(100) }),
      z.array(attackedImageSchema),
    ),
    /** Two checkpoints by their files alone: config, layers, filters. */
    compareWeights: method(comparedFiles, weightComparisonSchema, workProgressSchema),
    /** Two checkpoints on the test split of A's data: accuracy, predictions, norms and angles, CKA. */
    compareBehaviour: method(comparedFiles, behaviourComparisonSchema, workProgressSchema),
    /**
     * Accuracy under attacks of all sizes, with checks of whether they can be believed; where `file` is given, also as
     * one self-contained HTML file.
     */
    robustness: method(
      z.object({
        ...splitOfCheckpoint,
        source: z.string().optional(),
        file: z.string().optional(),
        attacks: z.array(attackNameSchema).min(1),
        norm: attackNormSchema,
        epsilons: z.array(z.number().min(0)).min(1).max(mostEpsilons),
        steps: z.number().int().positive().max(mostAttackSteps),
        stepSize: z.number().positive().max(mostStepSize).optional(),
        restarts: z.number().int().positive().max(mostAttackRestarts),
        targeted: z.union([z.literal(false), attackTargetSchema]),
        images: z.number().int().positive(),
        seed: z.number().int().nonnegative(),
      }),
      robustnessReportSchema,
      workProgressSchema,
    ),
    /** The whole inspection as one self-contained HTML file. */
    writeReport: method(
      z.object({ checkpoint: z.string(), split: z.enum(['train', 'test']), file: z.string() }),
      z.object({ file: z.string(), bytes: z.number().int() }),
      workProgressSchema,
    ),
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
