import * as tf from '@tensorflow/tfjs-core';
import { resolveNetwork } from '../core/config/network.js';
import { configSchema } from '../core/config/schema.js';
import { normals } from '../core/random.js';
import type { BackendName } from '../protocol/engine.js';
import type { DawnBackend } from './backend/dawnBackend.js';
import { imageTensor, labelTensor } from './data/images.js';
import type { ImageBatch } from './data/split.js';
import { buildModel } from './model/model.js';
import { createOptimizer } from './training/optimizer.js';
import { pass } from './training/step.js';

/** What a runtime made of the trial's steps. */
export interface TrialOutcome {
  readonly imagesPerSecond: number;
  /** Of the last step that all runtimes take: the same wherever the arithmetic is right, up to rounding. */
  readonly loss: number;
}

/** Changes with the network and what is measured of it: older measurements are made anew. */
export const trialVersion = 2;

/** As CIFAR’s. */
const shape = [32, 32, 3] as const;
const classes = 10;
const batch = 64;
const widths: [number, number, number] = [32, 64, 128];

/** After one that warms up. */
const measuredSteps = 2;
/**
 * The loss after three steps is a tenth below that of the start, ten times what runtimes may differ by: one whose gradients
 * are wrong does not get there.
 */
const learningRate = 1e-3;
/** Images a second from which so few steps are over too soon to be timed, and how many are timed then. */
const quick = 1000;
const stepsOfQuick = 20;
/** Tuning a weak GPU’s kernels takes longer than anybody waits for a start: what is left over is tuned when it is used. */
const tuningLimitMs = 3000;

/**
 * Train a few steps of a decoupled CNN-9 (32-64-128, 32×32×3, batch 64) on the backend that is set, as a training would: large
 * enough that a GPU computes most of the time, some 12 · 10⁹ multiply-adds a step.
 */
export async function takeTrial(name: BackendName): Promise<TrialOutcome> {
  const config = configSchema.parse({
    data: { dataset: 'fashion-mnist-sample' },
    layers: { preset: 'cnn-9', widths },
    batch,
  });
  const { network } = resolveNetwork(config, { shape, classes });
  if (network === undefined) throw new Error('The trial network does not fit.');
  const model = buildModel(network, config);
  const optimizer = createOptimizer(config.optimizer, model.trainable);
  const images = noise();
  const every = Uint32Array.from({ length: batch }, (_, i) => i);
  const x = imageTensor(images.images, shape, every, model.normalization);
  const labels = labelTensor(images.labels, every);
  /** Only the last loss is read: a device computes while we go on. */
  const train = async (steps: number): Promise<TrialOutcome> => {
    const startedAt = performance.now();
    let loss = Number.NaN;
    for (let step = 1; step <= steps; step++) {
      const { outcome, gradients } = pass(model, x, labels, classes, config);
      optimizer.apply(gradients, learningRate);
      if (step === steps) [loss = Number.NaN] = await outcome.data();
      tf.dispose([outcome, ...gradients]);
    }
    return { imagesPerSecond: (steps * batch * 1000) / (performance.now() - startedAt), loss };
  };
  const gpu = name === 'webgpu' ? (tf.backend() as DawnBackend) : undefined;
  try {
    gpu?.limitTuning(tuningLimitMs);
    await train(1);
    const { imagesPerSecond, loss } = await train(measuredSteps);
    if (imagesPerSecond < quick) return { imagesPerSecond, loss };
    return { ...(await train(stepsOfQuick)), loss };
  } finally {
    gpu?.limitTuning(Number.POSITIVE_INFINITY);
    tf.dispose([x, labels]);
    model.dispose();
    optimizer.dispose();
  }
}

function noise(): ImageBatch {
  const values = normals(batch * shape[0] * shape[1] * shape[2], 40, 1, 'trial images');
  return {
    images: new Uint8Array(Uint8ClampedArray.from(values, (value) => 128 + value).buffer),
    labels: Uint8Array.from({ length: batch }, (_, i) => i % classes),
  };
}
