import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../../core/config/network.js';
import type { Config } from '../../core/config/schema.js';
import { imagesAtATime } from '../../core/run/batchParts.js';
import type { Runtime } from '../backend/backend.js';
import { centreCropped } from '../data/crop.js';
import type { DataSet } from '../data/dataSet.js';
import { imageTensor, labelTensor } from '../data/images.js';
import type { DcnetModel } from '../model/model.js';
import { accumulate } from './accumulate.js';
import { adversarialBatch } from './adversarialBatch.js';
import { type Batch, Batches, trainingLength } from './batches.js';
import type { Stopwatch } from './clock.js';
import type { TrainingControl } from './control.js';
import { divergedError, isDiverged } from './diverged.js';
import { evaluateSplit, type SplitResult } from './evaluate.js';
import { withFilterTerms } from './filterTerms.js';
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
 * Train to the last step, or until it is asked to stop. Between two steps the event loop has its turn, so that
 * requests are answered. What is computed depends on the config, the data, the finished steps and the backend alone.
 * @throws DcnetError `diverged`
 */
export async function train(setup: TrainingSetup): Promise<TrainingResult> {
  const { model, config, data, control, observer, clock } = setup;
  const { shape, classes } = data.info;
  const seen = centreCropped(data, config.augmentation?.crop);
  const length = trainingLength(config, data.train.count);
  const { stepsPerEpoch: steps, totalSteps } = length;
  const batches = new Batches({ split: data.train, shape }, config, length);
  const meter = new Meter(
    computesMeanwhile(setup.runtime) ? stepsPerDeviceRead : 1,
    (loss, failedStep, failedBatch) => {
      if (!isDiverged(loss, classes)) return;
      const x = inputOf(setup, failedBatch);
      try {
        throw divergedError(model, setup.network, config, failedStep, loss, x);
      } finally {
        x.dispose();
      }
    },
  );
  const computesHere = !computesMeanwhile(setup.runtime);
  let step = setup.finishedSteps;

  while (step < totalSteps) {
    const epoch = Math.floor(step / steps);
    const lastStep = Math.min((epoch + 1) * steps, totalSteps);
    let batch = await batches.take(step);

    while (step < lastStep) {
      if (!(await mayGoOn(control, observer, clock, step)))
        return { outcome: 'stopped', step, images: meter.images, stepSeconds: meter.seconds };
      meter.begin();
      const learningRate = learningRateAt(config.schedule, config.optimizer.learningRate, step, totalSteps);
      batch = await batches.take(step);
      // While this thread computes, others read what lies in a file.
      if (computesHere) batches.prepare(step + 1);
      const passing = passOf(setup, batch, step);
      batches.prepare(step + 1); // while a device computes
      const { outcome, gradients } = await passing;
      try {
        tf.tidy(() => {
          // Before the weights change: a step that diverged is looked into as it was.
          meter.add(outcome, step + 1, batch);
          setup.optimizer.apply(withFilterTerms(model, gradients, config), learningRate);
        });
      } finally {
        tf.dispose([...gradients]);
      }
      step++;
      if (config.projection !== undefined && step % config.projection.every === 0)
        model.project(config.projection.scale);
      meter.end();
      if (meter.isDue || step === lastStep)
        await observer.stepped({ step, epoch: epoch + 1, learningRate, ...meter.take() });
      await setImmediate();
    }

    // What follows the epoch takes no more images at a time than its steps did, where that was too many.
    const most = setup.parts === 1 ? undefined : imagesAtATime({ images: config.batch, parts: setup.parts });
    const test = await evaluateSplit(model, seen, 'test', { batch: most });
    const x = inputOf(setup, batch, most);
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

/** Whether steps are queued for a device: it waits for none of them where nothing is read in between. */
function computesMeanwhile({ name }: Runtime): boolean {
  return name === 'tensorflow' || name === 'webgpu';
}

/** The first images of a batch, normalised: [B, H, W, C]. */
function inputOf(
  { model, network }: TrainingSetup,
  { images, labels }: Batch,
  most = labels.length,
): tf.Tensor4D {
  return imageTensor(images, network.inputShape, everyOf(Math.min(most, labels.length)), model.normalization);
}

function everyOf(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => i);
}

/** Loss and gradients of a batch. */
async function passOf(setup: TrainingSetup, batch: Batch, step: number): Promise<PassResult> {
  const { model, config, data, parts } = setup;
  const x = inputOf(setup, batch); // [B, H, W, C]
  const labels = labelTensor(batch.labels, everyOf(batch.labels.length)); // [B]
  let attacked: tf.Tensor4D | undefined;
  try {
    if (config.adversarial !== undefined) {
      const place = { step, from: 0, seed: config.seed };
      const most = imagesAtATime({ images: batch.labels.length, parts });
      attacked = await adversarialBatch(model, x, labels, config.adversarial, place, most);
    }
    return accumulate(model, attacked ?? x, labels, data.info.classes, config, parts);
  } finally {
    tf.dispose([x, labels]);
    attacked?.dispose();
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
