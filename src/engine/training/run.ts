import type * as tf from '@tensorflow/tfjs-core';
import { describeAdversarial } from '../../core/config/trainingSchema.js';
import { asDcnetError, type DcnetError } from '../../core/errors.js';
import { type BatchParts, describeParts } from '../../core/run/batchParts.js';
import { epochCheckpointName, stepCheckpointName } from '../../core/run/names.js';
import type { MetricsRecord, Summary } from '../../core/run/run.js';
import { encodeCheckpoint, writeCheckpoint } from '../checkpoint/checkpoint.js';
import type { CheckpointMetadata } from '../checkpoint/metadata.js';
import { readTensors } from '../checkpoint/modelState.js';
import { recordOf } from '../runtimeChoice.js';
import { Stopwatch } from './clock.js';
import type { TrainingControl } from './control.js';
import { sinceStart } from './environment.js';
import { isOutOfMemory, outOfMemoryError } from './outOfMemory.js';
import { type Prepared, prepareRun, type RunPlan } from './prepare.js';
import type { RunTracker } from './runTracker.js';
import {
  type EpochReport,
  type StepReport,
  type TrainingObserver,
  type TrainingResult,
  train,
} from './trainer.js';

const bestCheckpointName = 'best';

/**
 * Carry out one run from preparing to over. Whatever happens, the run's folder tells it in the end: state, metrics and
 * summary. A failed run is an answer, not an exception.
 * @throws DcnetError `io` when even the run's folder cannot be written to
 */
export async function carryOut(
  plan: RunPlan,
  tracker: RunTracker,
  control: TrainingControl,
): Promise<Summary> {
  const run = new Run(plan, tracker, control);
  let outcome: Outcome;
  try {
    outcome = await run.train();
  } catch (thrown) {
    outcome = { status: 'failed', error: run.explain(thrown) };
  }
  try {
    return await run.finish(outcome);
  } finally {
    await run.dispose();
  }
}

type Outcome =
  | { readonly status: 'completed' | 'stopped'; readonly result: TrainingResult | undefined }
  | { readonly status: 'failed'; readonly error: DcnetError };

class Run {
  readonly #clock = new Stopwatch();
  #prepared: Prepared | undefined;
  /** As the newest checkpoint has them. */
  #metrics: CheckpointMetadata['metrics'] = {};
  /** The newest checkpoint, relative to the run's folder. */
  #checkpoint: string | undefined;

  constructor(
    private readonly plan: RunPlan,
    private readonly tracker: RunTracker,
    private readonly control: TrainingControl,
  ) {}

  async train(): Promise<Outcome> {
    const { plan, tracker, control } = this;
    const { folder } = tracker;
    if (control.asked() === 'stop') return { status: 'stopped', result: undefined };
    await tracker.update({
      status: 'preparing',
      pid: process.pid,
      queuePosition: undefined,
      backend: plan.runtime.name,
      runtime: recordOf(plan.runtime),
      error: undefined,
    });
    const prepared = await this.#prepare();
    if (prepared === undefined) return { status: 'stopped', result: undefined };
    this.#prepared = prepared;
    this.#metrics = prepared.metrics;
    this.#checkpoint = prepared.checkpointFile && folder.relative(prepared.checkpointFile);
    if (control.asked() === 'stop') return { status: 'stopped', result: undefined };

    const firstStep = prepared.finishedSteps;
    if (plan.resume) await folder.mendMetrics();
    await this.#event(plan.resume ? 'resumed' : 'started', firstStep, await this.#whereItRuns());
    await tracker.update({
      status: 'running',
      reading: undefined,
      step: firstStep,
      ...prepared.length,
      epoch: Math.min(prepared.length.epochs, Math.floor(firstStep / prepared.length.stepsPerEpoch) + 1),
      batch: this.#batch,
      adversarial: prepared.config.adversarial && describeAdversarial(prepared.config.adversarial),
    });
    this.#clock.start();
    const result = await train({
      ...prepared,
      runtime: plan.runtime,
      parts: plan.parts,
      control,
      observer: this.#observer(prepared),
      clock: this.#clock,
    });
    this.#clock.stop();
    const { totalSteps, stepsPerEpoch } = prepared.length;
    const saved = result.step === totalSteps || result.step % stepsPerEpoch === 0;
    if (!saved && result.step > firstStep)
      await this.#save(prepared, result.step, stepCheckpointName(result.step));
    return { status: result.outcome, result };
  }

  /** @returns undefined where the run was stopped while its images were read */
  async #prepare(): Promise<Prepared | undefined> {
    const { plan, tracker, control } = this;
    try {
      return await prepareRun(plan, tracker.folder, {
        signal: control.signal,
        onProgress: async (done, total) => void (await tracker.update({ reading: { done, total } })),
      });
    } catch (thrown) {
      if (control.asked() === 'stop' && asDcnetError(thrown).details.code === 'cancelled') return undefined;
      throw thrown;
    }
  }

  /** What made the training fail. */
  explain(thrown: unknown): DcnetError {
    return isOutOfMemory(thrown)
      ? outOfMemoryError(thrown, this.#batch, this.plan.runtime.name)
      : asDcnetError(thrown);
  }

  /** Another backend rounds differently: a run that changes it is not the one that would have run through. */
  async #whereItRuns(): Promise<string> {
    const { name, device } = this.plan.runtime;
    const environment = await this.tracker.folder.readEnvironment();
    const since = environment && sinceStart(environment);
    const changed = since === undefined ? '' : `; ${since}`;
    const batch = this.#batch;
    const parts = batch === undefined || batch.parts === 1 ? '' : `; each batch in ${describeParts(batch)}`;
    const config = this.#prepared?.config.adversarial;
    const attacked = config === undefined ? '' : `; adversarial training: ${describeAdversarial(config)}`;
    const because = this.plan.because === undefined ? '' : `; ${this.plan.because}`;
    return `${name}, ${device}${changed}${because}${parts}${attacked}`;
  }

  #observer(prepared: Prepared): TrainingObserver {
    const { tracker } = this;
    return {
      stepped: (report) => this.#stepped(prepared, report),
      epochDone: (report) => this.#epochDone(prepared, report),
      held: async (step) => {
        await this.#event('paused', step);
        await tracker.update({ status: 'paused', step, secondsLeft: undefined });
      },
      wentOn: async (step) => {
        await this.#event('continued', step);
        await tracker.update({ status: 'running' });
      },
    };
  }

  async #stepped(prepared: Prepared, report: StepReport): Promise<void> {
    const { tracker } = this;
    await tracker.folder.appendMetrics({ type: 'step', ...report, seconds: this.#seconds });
    const { totalSteps } = tracker.state;
    const secondsAStep = this.#clock.seconds / (report.step - prepared.finishedSteps);
    await tracker.update({ ...report, secondsLeft: (totalSteps - report.step) * secondsAStep });
  }

  async #epochDone(prepared: Prepared, { step, epoch, test, layers }: EpochReport): Promise<void> {
    const { tracker } = this;
    const isBest = test.accuracy > (this.#metrics.bestTestAccuracy ?? -1);
    this.#metrics = {
      ...this.#metrics,
      testLoss: test.loss,
      testAccuracy: test.accuracy,
      ...(isBest ? { bestTestAccuracy: test.accuracy, bestEpoch: epoch } : {}),
    };
    const isWhole = step === epoch * prepared.length.stepsPerEpoch;
    // A file named after an epoch holds all of its steps: that is how the newest is told.
    const name = isWhole ? epochCheckpointName(epoch) : stepCheckpointName(step);
    const checkpoint = await this.#save(prepared, step, name, isBest);
    await tracker.folder.appendMetrics({
      type: 'epoch',
      step,
      epoch,
      testLoss: test.loss,
      testAccuracy: test.accuracy,
      ...(test.top5Accuracy === undefined ? {} : { testTop5Accuracy: test.top5Accuracy }),
      seconds: this.#seconds,
      checkpoint,
      layers: [...layers],
    });
    await tracker.update({
      step,
      epoch: Math.min(prepared.length.epochs, epoch + 1),
      testAccuracy: test.accuracy,
      bestTestAccuracy: this.#metrics.bestTestAccuracy,
    });
  }

  /** Write a checkpoint; its path in the run's folder. */
  async #save(prepared: Prepared, step: number, name: string, isBest = false): Promise<string> {
    const { folder } = this.tracker;
    const { config, network, data, model, optimizer, length } = prepared;
    const metadata: CheckpointMetadata = {
      configText: this.plan.configText,
      config,
      step,
      epoch: Math.floor(step / length.stepsPerEpoch),
      metrics: this.#metrics,
      data: {
        name: data.info.name,
        sha256: data.sha256,
        shape: data.info.shape,
        classNames: data.info.classNames,
      },
      backend: this.plan.runtime.name,
    };
    const tensors = await readTensors(new Map<string, tf.Tensor>([...model.tensors, ...optimizer.state()]));
    const bytes = encodeCheckpoint(metadata, network, tensors);
    // The best first: the epoch's own then is the newest file.
    if (isBest) await writeCheckpoint(folder.checkpointFile(bestCheckpointName), bytes);
    const file = folder.checkpointFile(name);
    await writeCheckpoint(file, bytes);
    this.#checkpoint = folder.relative(file);
    return this.#checkpoint;
  }

  async finish(outcome: Outcome): Promise<Summary> {
    const { tracker, plan } = this;
    const { folder } = tracker;
    this.#clock.stop();
    const error = outcome.status === 'failed' ? outcome.error : undefined;
    const result = outcome.status === 'failed' ? undefined : outcome.result;
    const step = result?.step ?? tracker.state.step;
    await this.#event(outcome.status, step, error?.message);
    const { bestTestAccuracy, bestEpoch, testAccuracy, testLoss } = this.#metrics;
    const summary: Summary = {
      name: folder.name,
      status: outcome.status,
      steps: step,
      epochs: Math.floor(step / (this.#prepared?.length.stepsPerEpoch ?? Number.POSITIVE_INFINITY)),
      testAccuracy,
      testLoss,
      bestTestAccuracy,
      bestEpoch,
      trainSeconds: this.#seconds,
      imagesPerSecond: result === undefined || result.images === 0 ? 0 : result.images / result.stepSeconds,
      backend: plan.runtime.name,
      device: plan.runtime.device,
      batch: this.#batch,
      checkpoint: this.#checkpoint,
      bestCheckpoint:
        bestEpoch === undefined ? undefined : folder.relative(folder.checkpointFile(bestCheckpointName)),
      parameters: this.#prepared?.model.parameterCount ?? 0,
      finishedAt: new Date().toISOString(),
      error: error?.details,
    };
    await folder.writeSummary(summary);
    await tracker.update({
      status: outcome.status,
      reading: undefined,
      step,
      pid: undefined,
      queuePosition: undefined,
      secondsLeft: undefined,
      error: error?.details,
    });
    return summary;
  }

  dispose(): void {
    this.#prepared?.model.dispose();
    this.#prepared?.optimizer.dispose();
  }

  /** Known once the config was read. */
  get #batch(): BatchParts | undefined {
    return this.#prepared && { images: this.#prepared.config.batch, parts: this.plan.parts };
  }

  get #seconds(): number {
    return (this.#prepared?.secondsBefore ?? 0) + this.#clock.seconds;
  }

  #event(
    event: Extract<MetricsRecord, { type: 'event' }>['event'],
    step: number,
    message?: string,
  ): Promise<void> {
    const time = new Date().toISOString();
    return this.tracker.folder.appendMetrics({ type: 'event', step, event, time, message });
  }
}
