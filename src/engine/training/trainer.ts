import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../../core/config/network.js';
import type { Config } from '../../core/config/schema.js';
import { imagesAtATime } from '../../core/run/batchParts.js';
import type { Runtime } from '../backend/backend.js';
import type { DataSet } from '../data/dataSet.js';
import { imageTensor, labelTensor } from '../data/images.js';
import type { DcnetModel } from '../model/model.js';
import type { TrainingWorkers } from '../parallel/trainingWorkers.js';
import { accumulate } from './accumulate.js';
import { batchOf, epochOrder, stepsPerEpoch } from './batches.js';
import type { Stopwatch } from './clock.js';
import type { TrainingControl } from './control.js';
import { divergedError, isDiverged } from './diverged.js';
import { evaluateSplit, type SplitResult } from './evaluate.js';
import { type LayerHealth, measureLayers } from './layerHealth.js';
import { Meter } from './meter.js';
import type { TrainOptimizer } from './optimizer.js';
import { learningRateAt } from './schedule.js';
import type { PassResult } from './step.js';

/** On a device that computes while we go on, reading a loss waits for it: so many steps are read together. */
const stepsPerDeviceRead = 16;

export interface TrainingSetup {
  readonly runtime: Runtime;
  readonly model: DcnetModel;
  readonly optimizer: TrainOptimizer;
  /** Who computes the batches; this thread alone where there are none. */
  readonly workers: TrainingWorkers | undefined;
  readonly network: Network;
  readonly config: Config;
  readonly data: DataSet;
  /** In so many parts each batch is computed: see {@link accumulate}. */
  readonly parts: number;
  readonly control: TrainingControl;
  readonly observer: TrainingObserver;
  /** Steps that were finished before: 0, or a checkpoint's. */
  readonly finishedSteps: number;
  /** Runs while there is training to do, pauses left out. */
  readonly clock: Stopwatch;
}

/** The steps since the report before. */
export interface StepReport {
  /** Finished steps. */
  readonly step: number;
  /** The epoch of the last of them, from 1. */
  readonly epoch: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly learningRate: number;
  readonly imagesPerSecond: number;
}

export interface EpochReport {
  readonly step: number;
  /** Finished epochs. */
  readonly epoch: number;
  readonly test: SplitResult;
  readonly layers: readonly LayerHealth[];
}

/** Who is told; training waits for each. */
export interface TrainingObserver {
  stepped(report: StepReport): Promise<void>;
  epochDone(report: EpochReport): Promise<void>;
  /** It holds after this many finished steps. */
  held(step: number): Promise<void>;
  wentOn(step: number): Promise<void>;
}

export interface TrainingResult {
  readonly outcome: 'completed' | 'stopped';
  /** Finished steps. */
  readonly step: number;
  /** Images trained on and the seconds that took, evaluation and checkpoints left out. */
  readonly images: number;
  readonly stepSeconds: number;
}

/**
 * Train to the last epoch, or until it is asked to stop. Between two steps the event loop has its turn, so that
 * requests are answered. What is computed depends on the config, the data, the finished steps and the backend alone.
 * @throws DcnetError `diverged`
 */
export async function train(setup: TrainingSetup): Promise<TrainingResult> {
  const { model, config, data, control, observer, clock } = setup;
  const { shape, classes } = data.info;
  const steps = stepsPerEpoch(data.train.count, config.batch);
  const totalSteps = steps * config.epochs;
  const meter = new Meter(
    setup.runtime.name === 'tensorflow' ? stepsPerDeviceRead : 1,
    (loss, failedStep, failedBatch) => {
      if (!isDiverged(loss, classes)) return;
      const x = imageTensor(data.train.images, shape, failedBatch);
      try {
        throw divergedError(model, setup.network, config, failedStep, loss, x);
      } finally {
        x.dispose();
      }
    },
  );
  let step = setup.finishedSteps;

  while (step < totalSteps) {
    const epoch = Math.floor(step / steps);
    const order = epochOrder(data.train.count, config.seed, epoch);
    let batch = batchOf(order, 0, steps);

    for (let inEpoch = step % steps; inEpoch < steps; inEpoch++) {
      if (!(await mayGoOn(control, observer, clock, step)))
        return { outcome: 'stopped', step, images: meter.images, stepSeconds: meter.seconds };
      meter.begin();
      const learningRate = learningRateAt(config.schedule, config.optimizer.learningRate, step, totalSteps);
      batch = batchOf(order, inEpoch, steps);
      const { outcome, gradients } = await passOf(setup, batch);
      try {
        tf.tidy(() => {
          // Before the weights change: a step that diverged is looked into as it was.
          meter.add(outcome, step + 1, batch);
          setup.optimizer.apply(gradients, learningRate);
        });
      } finally {
        tf.dispose([...gradients]);
      }
      step++;
      if (config.projection !== undefined && step % config.projection.every === 0) model.project();
      meter.end();
      if (meter.isDue || inEpoch === steps - 1)
        await observer.stepped({ step, epoch: epoch + 1, learningRate, ...meter.take() });
      await setImmediate();
    }

    // What follows the epoch takes no more images at a time than its steps did, where that was too many.
    const most = setup.parts === 1 ? undefined : imagesAtATime({ images: config.batch, parts: setup.parts });
    const test = await evaluateSplit(model, data, 'test', { batch: most });
    const x = imageTensor(data.train.images, shape, batch.subarray(0, most));
    try {
      if (isDiverged(test.loss, classes))
        throw divergedError(model, setup.network, config, step, test.loss, x);
      await observer.epochDone({ step, epoch: epoch + 1, test, layers: measureLayers(model, x) });
    } finally {
      x.dispose();
    }
  }
  return { outcome: 'completed', step, images: meter.images, stepSeconds: meter.seconds };
}

/** Loss and gradients of a batch, by the workers or here. */
async function passOf(
  { workers, model, config, data, parts }: TrainingSetup,
  batch: Uint32Array,
): Promise<PassResult> {
  if (workers !== undefined) return workers.pass(data.train, batch);
  const { shape, classes } = data.info;
  const x = imageTensor(data.train.images, shape, batch); // [B, H, W, C]
  const labels = labelTensor(data.train.labels, batch); // [B]
  try {
    return accumulate(model, x, labels, classes, config, parts);
  } finally {
    tf.dispose([x, labels]);
  }
}

/** False when it is to stop. */
async function mayGoOn(
  control: TrainingControl,
  observer: TrainingObserver,
  clock: Stopwatch,
  step: number,
): Promise<boolean> {
  if (control.asked() === 'hold') {
    clock.stop();
    await observer.held(step);
    await control.released();
    clock.start();
    if (control.asked() === 'go') await observer.wentOn(step);
  }
  return control.asked() !== 'stop';
}
