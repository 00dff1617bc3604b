import os from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type { BehaviourComparison, WeightComparison } from '../core/comparison/comparison.js';
import { requireConfig } from '../core/config/parse.js';
import { downloads } from '../core/data/downloads.js';
import { asDcnetError } from '../core/errors.js';
import type { PlaneFeatures } from '../core/reproduce/features.js';
import type { RunState, Summary } from '../core/run/run.js';
import type { RuntimeRecord } from '../core/run/runtime.js';
import type { Inspection } from '../core/statistics/inspection.js';
import type { Context, Handlers } from '../protocol/channel.js';
import {
  type ComparedFile,
  type DoctorReport,
  type EngineContract,
  type Evaluation,
  protocolVersion,
  type RuntimeReport,
  type WorkProgress,
} from '../protocol/engine.js';
import type { RobustnessReport } from '../protocol/robustness.js';
import { type RobustnessRequest, robustnessOf } from './attack/robustnessOf.js';
import { probeRuntimes, type Runtime } from './backend/backend.js';
import { whileMarked } from './backend/crashMarks.js';
import { proveGpu } from './backend/tensorflow.js';
import { throwIfCancelled } from './cancelled.js';
import { checkpointError } from './checkpoint/checkpoint.js';
import { dataOf, openCheckpoint } from './checkpoint/openCheckpoint.js';
import { compareBehaviour } from './comparison/compareBehaviour.js';
import { compareWeights } from './comparison/weights.js';
import { describeData } from './data/dataSet.js';
import { DataStore } from './data/dataStore.js';
import { asInput, imageFileTensor, readImageFile } from './data/imageFile.js';
import { locateData } from './data/location.js';
import { readingFor } from './data/reading.js';
import { downloadData } from './download/downloadData.js';
import { Inspector, type InspectRequest } from './inspection/inspector.js';
import { describeMachine } from './machine.js';
import { robustnessPage } from './report/page.js';
import { readParts, writePage } from './report/writePage.js';
import { writeReport } from './report/writeReport.js';
import { planeFeatures } from './reproduce/planeFeatures.js';
import { recordOf } from './runtimeChoice.js';
import { sweepPartialFolders } from './setup/partialFolder.js';
import { tensorflowRuntimeFolder, webgpuRuntimeFolder } from './setup/runtimeFolder.js';
import { setUpTensorflow } from './setup/tensorflow.js';
import { setUpWebgpu } from './setup/webgpu.js';
import { describeChoice } from './startRuntime.js';
import { evaluateSplit, evaluationBatch } from './training/evaluate.js';
import { RunQueue } from './training/runQueue.js';
import { ErrorDesk } from './verdict/errorDesk.js';

/** What an engine tells of its own accord. */
export interface EngineEvents {
  runChanged(runDirectory: string, state: RunState): void;
  runFinished(runDirectory: string, summary: Summary): void;
  log(level: 'info' | 'warn' | 'error', message: string): void;
}

export interface EngineOptions {
  readonly runtime: Runtime;
  /** The extension's `media` folder, where the bundled data sets are. */
  readonly mediaDirectory: string;
  readonly events: EngineEvents;
  /** Whether a completed run is inspected at once, for the layer panel; default true. */
  readonly inspectCompleted?: boolean;
}

export interface Prediction {
  readonly classNames: readonly string[];
  /** [N][classes]. */
  readonly logits: readonly (readonly number[])[];
}

/** Everything the engine does, over the tensors of this process; the process and the command line are its two callers. */
export class Engine {
  readonly queue: RunQueue;
  readonly #dataStore = new DataStore();
  readonly #inspector: Inspector;
  readonly #errors: ErrorDesk;
  /** Evaluations and inspections take turns: each would hold its own network and batches. */
  #turn: Promise<unknown> = Promise.resolve();
  #looking = 0;
  /** What is being installed or fetched. */
  readonly #fetching = new Set<Promise<unknown>>();
  /** Aborted when the engine is to end. */
  readonly #ending = new AbortController();

  constructor(private readonly options: EngineOptions) {
    const { runtime, mediaDirectory, events } = options;
    this.#inspector = new Inspector(runtime.name, mediaDirectory, this.#dataStore);
    this.#errors = new ErrorDesk({ mediaDirectory, dataStore: this.#dataStore, backend: runtime.name });
    this.queue = new RunQueue({
      runtime,
      mediaDirectory,
      dataStore: this.#dataStore,
      listener: {
        changed: (runDirectory, state) => events.runChanged(runDirectory, state),
        finished: (runDirectory, summary) => events.runFinished(runDirectory, summary),
        afterCompleted: (runDirectory, summary) => this.#inspectCompleted(runDirectory, summary),
        failed: (error) => {
          if (error.details.code !== 'cancelled') events.log('error', error.describe());
        },
      },
    });
  }

  /** What computes, and why. */
  get runtime(): RuntimeRecord {
    return recordOf(this.options.runtime);
  }

  /** Whether there is work under way or waiting. */
  get isBusy(): boolean {
    return this.queue.isBusy || this.#looking > 0 || this.#fetching.size > 0;
  }

  /**
   * Stop all runs, each with a checkpoint, and give up what is measured of its own accord and what is installed, which
   * takes away what it has begun; resolves when it is done.
   */
  async stop(): Promise<void> {
    this.#ending.abort();
    await Promise.all([this.queue.stopAll(), Promise.allSettled(this.#fetching)]);
  }

  /**
   * Run a split of the checkpoint's data through its network.
   * @throws DcnetError `checkpoint`, `data` or `cancelled`
   */
  evaluate(
    { checkpoint: file, split }: { readonly checkpoint: string; readonly split: 'train' | 'test' },
    { signal, report }: Context<WorkProgress>,
  ): Promise<Evaluation> {
    return this.#inTurn(async () => {
      const { checkpoint, model } = await openCheckpoint(file);
      try {
        const data = await dataOf(
          checkpoint,
          this.options.mediaDirectory,
          this.#dataStore,
          readingFor({ signal, report }),
        );
        const total = data[split].count;
        const startedAt = performance.now();
        const result = await evaluateSplit(model, data, split, {
          signal,
          onProgress: (done) => report({ activity: 'Evaluating', done, total }),
        });
        if (!Number.isFinite(result.loss))
          throw checkpointError(file, 'The network’s scores are not finite: its weights are of no use.');
        return {
          checkpoint: file,
          data: data.info.name,
          split,
          sampleSize: result.sampleSize,
          accuracy: result.accuracy,
          ...(result.top5Accuracy === undefined ? {} : { top5Accuracy: result.top5Accuracy }),
          loss: result.loss,
          imagesPerSecond: result.sampleSize / ((performance.now() - startedAt) / 1000),
          backend: this.options.runtime.name,
          workers: this.options.runtime.threads ?? 1,
          perClass: data.info.classNames.map((name, label) => {
            const images = result.imagesOfClass[label]!;
            return { name, images, accuracy: images === 0 ? 0 : result.correctOfClass[label]! / images };
          }),
        };
      } finally {
        model.dispose();
      }
    });
  }

  /** See {@link Inspector}. @throws DcnetError `checkpoint`, `data` or `cancelled` */
  inspect(request: InspectRequest, context: Context<WorkProgress>): Promise<Inspection> {
    return this.#inTurn(() => this.#inspector.inspect(request, context));
  }

  /**
   * Two checkpoints by their files alone.
   * @throws DcnetError `checkpoint` or `cancelled`
   */
  compareWeights(
    files: { readonly a: ComparedFile; readonly b: ComparedFile },
    { signal, report }: Context<WorkProgress>,
  ): Promise<WeightComparison> {
    return compareWeights(files, { signal, onProgress: report });
  }

  /**
   * Two checkpoints on the test split of A's data.
   * @throws DcnetError `checkpoint`, `data`, `cancelled`, or `usage` when both cannot be run on one data set
   */
  compareBehaviour(
    files: { readonly a: ComparedFile; readonly b: ComparedFile },
    context: Context<WorkProgress>,
  ): Promise<BehaviourComparison> {
    return this.#inTurn(() =>
      compareBehaviour(files, context, {
        mediaDirectory: this.options.mediaDirectory,
        dataStore: this.#dataStore,
        backend: this.options.runtime.name,
        inspect: (checkpoint, report) =>
          this.#inspector.inspect({ checkpoint, split: 'test' }, { signal: context.signal, report }),
      }),
    );
  }

  /**
   * Write a split's inspection as one self-contained HTML file.
   * @param request absolute paths
   * @throws DcnetError as `inspect` does, and `io`
   */
  async writeReport(
    {
      file,
      ...what
    }: { readonly checkpoint: string; readonly split: 'train' | 'test'; readonly file: string },
    context: Context<WorkProgress>,
  ): Promise<{ readonly file: string; readonly bytes: number }> {
    const inspection = await this.inspect(what, context);
    // What draws the page lies beside the media, in the extension's folder.
    const webviewDirectory = path.join(this.options.mediaDirectory, '..', 'dist', 'webview');
    return { file, bytes: await this.#inTurn(() => writeReport(inspection, file, webviewDirectory)) };
  }

  /**
   * Attacks of all sizes on a checkpoint, and what they may be taken for.
   * @param request absolute paths; `file`: where the report goes as one self-contained HTML file
   * @throws DcnetError `checkpoint`, `data`, `cancelled`, `usage` where the source or the target does not fit, `io`
   */
  robustness(
    { file, ...request }: RobustnessRequest & { readonly file?: string | undefined },
    context: Context<WorkProgress>,
  ): Promise<RobustnessReport> {
    const { runtime, mediaDirectory } = this.options;
    return this.#inTurn(async () => {
      const report = await robustnessOf(request, context, {
        mediaDirectory,
        dataStore: this.#dataStore,
        backend: runtime.name,
      });
      if (file !== undefined) {
        const parts = await readParts('robustness', path.join(mediaDirectory, '..', 'dist', 'webview'));
        await writePage(file, robustnessPage(report, parts));
      }
      return report;
    });
  }

  /**
   * Scores of a checkpoint's network for the images of a file.
   * @throws DcnetError `checkpoint`, `data` or `cancelled`
   */
  predict(
    request: { readonly checkpoint: string; readonly images: string },
    { signal, report }: Context<WorkProgress>,
  ): Promise<Prediction> {
    return this.#inTurn(async () => {
      const read = await readImageFile(request.images);
      const { checkpoint, network, model } = await openCheckpoint(request.checkpoint);
      try {
        const { shape } = checkpoint.metadata.data;
        const images = asInput(read, network.inputShape, shape, request.images);
        const logits: number[][] = [];
        for (let from = 0; from < images.count; from += evaluationBatch) {
          throwIfCancelled(signal);
          const to = Math.min(images.count, from + evaluationBatch);
          const scores = tf.tidy(() => model.predict(imageFileTensor(images, from, to, model.normalization)));
          logits.push(...(await scores.array()));
          scores.dispose();
          report({ activity: 'Predicting', done: to, total: images.count });
        }
        if (!logits.every((row) => row.every(Number.isFinite)))
          throw checkpointError(
            request.checkpoint,
            'The network’s scores are not finite: its weights are of no use.',
          );
        return { classNames: checkpoint.metadata.data.classNames, logits };
      } finally {
        model.dispose();
      }
    });
  }

  /**
   * Features of two components of the first test images of a checkpoint's data.
   * @throws DcnetError `checkpoint`, `data`, or `usage` when the network has no such features
   */
  planeFeatures({
    checkpoint: file,
    limit,
  }: {
    readonly checkpoint: string;
    readonly limit: number;
  }): Promise<PlaneFeatures> {
    return this.#inTurn(async () => {
      const { checkpoint, network, model } = await openCheckpoint(file);
      try {
        const data = await dataOf(checkpoint, this.options.mediaDirectory, this.#dataStore);
        return await planeFeatures({ model, network, data }, limit);
      } finally {
        model.dispose();
      }
    });
  }

  /** The contract's requests, for a channel. */
  handlers(): Handlers<EngineContract> {
    const { runtime, mediaDirectory } = this.options;
    const errors = this.#errors;
    return {
      hello: () => ({ protocolVersion, pid: process.pid, runtime: this.runtime }),
      doctor: () => doctor(runtime),
      setUpTensorflow: ({ variant }, context) =>
        this.#fetch(context, (untilEnd) => setUpTensorflow({ variant, ...untilEnd })),
      downloadData: ({ name, folder }, context) =>
        this.#fetch(context, (untilEnd) => downloadData(downloads[name], { folder, ...untilEnd })),
      setUpWebgpu: (_, context) => this.#fetch(context, setUpWebgpu),
      describeData: ({ configFile, configText }) => {
        const { config } = requireConfig(configText, configFile);
        return describeData(locateData(config.data, path.dirname(configFile), mediaDirectory));
      },
      startRun: (request) => this.queue.start(request),
      resumeRun: async ({ runDirectory, ...options }) => ({
        state: (await this.queue.resume(runDirectory, options)).state,
      }),
      pauseRun: async ({ runDirectory }) => ({ state: await this.queue.pause(runDirectory) }),
      continueRun: async ({ runDirectory }) => ({ state: await this.queue.continue(runDirectory) }),
      stopRun: async ({ runDirectory }) => ({ state: await this.queue.stop(runDirectory) }),
      listRuns: () => this.queue.list(),
      evaluate: (request, context) => this.evaluate(request, context),
      inspect: (request, context) => this.inspect(request, context),
      imageMaps: (request) => this.#inTurn(() => this.#inspector.imageMaps(request)),
      sampleImages: (request, context) => this.#inTurn(() => this.#inspector.sampleImages(request, context)),
      filterAngles: (request) => this.#inTurn(() => this.#inspector.filterAngles(request)),
      explainErrors: (request, context) => this.#inTurn(() => errors.explain(request, context)),
      errorEvidence: (request, context) => this.#inTurn(() => errors.evidence(request, context)),
      images: (request) => this.#inTurn(() => errors.images(request)),
      attack: (request, context) => this.#inTurn(() => errors.attack(request, context)),
      attackedImages: (request) => this.#inTurn(() => errors.attackedImages(request)),
      compareWeights: (request, context) => this.compareWeights(request, context),
      compareBehaviour: (request, context) => this.compareBehaviour(request, context),
      writeReport: (request, context) => this.writeReport(request, context),
      robustness: (request, context) => this.robustness(request, context),
    };
  }

  /** So that the layer panel opens at once. */
  async #inspectCompleted(runDirectory: string, { checkpoint }: Summary): Promise<void> {
    if (checkpoint === undefined || this.options.inspectCompleted === false) return;
    await this.inspect(
      { checkpoint: path.join(runDirectory, checkpoint), split: 'test' },
      { signal: this.#ending.signal, report: () => {} },
    );
  }

  /** Programs of its own do it: they are not left behind by an engine that ends. */
  async #fetch<T>(
    { signal, report }: Context<WorkProgress>,
    fetch: (untilEnd: Context<WorkProgress>) => Promise<T>,
  ): Promise<T> {
    const work = fetch({ signal: AbortSignal.any([signal, this.#ending.signal]), report });
    this.#fetching.add(work);
    try {
      return await work;
    } finally {
      this.#fetching.delete(work);
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#looking++;
    const mine = this.#turn.then(work, work);
    this.#turn = mine.catch(() => {});
    try {
      return await mine;
    } finally {
      this.#looking--;
    }
  }
}

/**
 * What runs here and what does not, each with the reason. What set-ups left that were killed goes.
 * @param running what computes in this process, where something does
 */
export async function doctor(running?: Runtime): Promise<DoctorReport> {
  for (const folder of [tensorflowRuntimeFolder(), webgpuRuntimeFolder()]) await sweepPartialFolders(folder);
  const runtimes = await probeRuntimes();
  const { chosen, choice, imagesPerSecond, failures } = await describeChoice(runtimes);
  const told: RuntimeReport[] = [];
  for (const runtime of runtimes) {
    const failure = failures[runtime.name];
    told.push(
      failure === undefined
        ? { ...(await proved(runtime)), imagesPerSecond: imagesPerSecond[runtime.name] }
        : { ...runtime, reason: `auto leaves it out for a day: ${failure}` },
    );
  }
  return {
    ...describeMachine(),
    nodePath: process.execPath,
    memoryGiB: os.totalmem() / 2 ** 30,
    runtimes: told,
    chosen,
    choice,
    running: running && recordOf(running),
  };
}

/** A GPU that TensorFlow lists is tried before it is told of, while a file tells of it: that may take this process down. */
async function proved(report: RuntimeReport): Promise<RuntimeReport> {
  if (report.name !== 'tensorflow' || !report.available) return report;
  try {
    const proof = await whileMarked('start', report.name, proveGpu);
    return proof === undefined ? report : { ...report, device: `${report.device}: ${proof}` };
  } catch (thrown) {
    return { name: report.name, available: false, reason: asDcnetError(thrown).describe() };
  }
}
