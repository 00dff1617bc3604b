import * as tf from '@tensorflow/tfjs-core';
import { requireConfig } from '../../../src/core/config/parse.js';
import type { Runtime } from '../../../src/engine/backend/backend.js';
import type { DataSet } from '../../../src/engine/data/dataSet.js';
import type { Split } from '../../../src/engine/data/split.js';
import { buildModel, type DcnetModel } from '../../../src/engine/model/model.js';
import { batchOf, epochOrder } from '../../../src/engine/training/batches.js';
import { Stopwatch } from '../../../src/engine/training/clock.js';
import { TrainingControl } from '../../../src/engine/training/control.js';
import { createOptimizer, type TrainOptimizer } from '../../../src/engine/training/optimizer.js';
import { type StepReport, train } from '../../../src/engine/training/trainer.js';
import { sizeOf } from '../tensors.js';
import type { ParityCase } from './cases.js';
import { hashed, uniform } from './deterministic.js';

/** Values of tensors by their names in a checkpoint. */
type Values = ReadonlyMap<string, Float32Array>;

/** What of a case says how it is trained. */
export type TrainedCase = Pick<ParityCase, 'name' | 'shape' | 'classes' | 'batch' | 'steps' | 'config'>;

/** What the engine makes of a case. */
export interface Outcome {
  /** Of each step, as it is reported. */
  readonly losses: readonly number[];
  /** Of the first step. */
  readonly gradients: Values;
  /** Weights, running averages and the optimiser's state after the last step: all but what {@link isOwn}. */
  readonly tensors: Values;
  readonly scores: Float32Array;
}

/** How far initial values may lie from their middle, by the tensor's own name. */
const halfWidths = new Map([
  ['gamma', 0.2],
  ['beta', 0.2],
  ['rho_root', 0.2],
  ['k_root', 0.1],
  ['alpha', 0.1],
]);

/**
 * Train a case as a run does: the whole trainer, on the images that the Python side drew. It is stopped after each step
 * and goes on from there, so that each loss is reported by itself.
 */
export async function trainCase(found: TrainedCase, runtime: Runtime): Promise<Outcome> {
  const text = JSON.stringify({ ...found.config, batch: found.batch });
  const info = { shape: found.shape, classes: found.classes };
  const { config, network } = requireConfig(text, found.name, info);
  if (network === undefined) throw new Error('A config without errors gave no network.');
  const model = buildModel(network, { seed: config.seed, averageDecay: config.averageDecay });
  const optimizer = createOptimizer(config.optimizer, model.trainable);
  const losses: number[] = [];
  let gradients: Values = new Map();
  const setup = {
    runtime,
    model,
    optimizer: watched(optimizer, (given) => {
      if (gradients.size === 0) gradients = valuesOf(model.trainable.map(({ name }, i) => [name, given[i]!]));
    }),
    workers: undefined,
    network,
    data: dataOf(found, config.seed),
    parts: 1,
    control: new TrainingControl(),
    observer: {
      stepped: async ({ loss }: StepReport) => void losses.push(loss),
      epochDone: async () => {},
      held: async () => {},
      wentOn: async () => {},
    },
    clock: new Stopwatch(),
  };
  try {
    setInitialValues(model, found.name);
    for (let step = 0; step < found.steps; step++)
      await train({ ...setup, config: { ...config, steps: step + 1 }, finishedSteps: step });
    const scores = tf.tidy(() => {
      const pixels = Float32Array.from(drawn(found, found.steps).images, (pixel) => (pixel - 127.5) / 128);
      return model.predict(tf.tensor4d(pixels, [found.batch, ...found.shape])).dataSync();
    });
    const tensors = valuesOf(
      [...model.tensors, ...optimizer.state()].filter(([name]) => !isOwn(name, model)),
    );
    return { losses, gradients, tensors, scores: Float32Array.from(scores) };
  } finally {
    model.dispose();
    optimizer.dispose();
  }
}

function setInitialValues(model: DcnetModel, seed: string): void {
  for (const { name, variable } of model.trainable) {
    const fanIn = sizeOf(variable.shape.slice(0, -1));
    const halfWidth = halfWidths.get(name.split('/').at(-1)!);
    const values =
      halfWidth === undefined
        ? uniform(`${seed}/${name}`, variable.size, 0, Math.sqrt(6 / fanIn))
        : uniform(`${seed}/${name}`, variable.size, middleOf(variable), halfWidth);
    tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)));
  }
}

/** What the engine keeps as a tensor, and the reference as a number or not at all: roots that are not learned, and how much of a running average is there. */
function isOwn(name: string, { tensors, trainable }: DcnetModel): boolean {
  if (!tensors.has(name) || trainable.some((weight) => weight.name === name)) return false;
  return /\/(rho_root|k_root|mean_patch_norm_weight|average_weight)$/.test(name);
}

/** What training would start from, in float64's digits: those of √(ρ − 1e-4) are not float32's. */
function middleOf(variable: tf.Variable): number {
  return variable.dataSync()[0]!;
}

/** An optimiser whose gradients are seen. */
function watched(optimizer: TrainOptimizer, see: (gradients: readonly tf.Tensor[]) => void): TrainOptimizer {
  return {
    ...optimizer,
    apply(gradients, learningRate) {
      see(gradients);
      optimizer.apply(gradients, learningRate);
    },
  };
}

function valuesOf(tensors: Iterable<readonly [string, tf.Tensor]>): Values {
  return new Map([...tensors].map(([name, tensor]) => [name, Float32Array.from(tensor.dataSync())]));
}

/** A batch as the Python side draws it, at four contrasts. */
function drawn({ name, shape, classes, batch }: TrainedCase, step: number) {
  const pixels = sizeOf(shape);
  const images = Uint8Array.from(hashed(`${name}/images/${step}`, batch * pixels), (value, index) => {
    const contrast = 1 + (Math.floor(index / pixels) % 4);
    return 128 + Math.floor(((Math.floor((value + 1) * 128) - 128) * contrast) / 4);
  });
  const labels = Uint8Array.from(hashed(`${name}/labels/${step}`, batch), (value) =>
    Math.floor(((value + 1) / 2) * classes),
  );
  return { images, labels };
}

/** A data set whose shuffled order gives each step the batch that was drawn for it. */
function dataOf(found: TrainedCase, seed: number): DataSet {
  const { shape, classes, batch, steps } = found;
  const pixels = sizeOf(shape);
  const train = {
    count: batch * steps,
    images: new Uint8Array(batch * steps * pixels),
    labels: new Uint8Array(batch * steps),
  } satisfies Split;
  const order = epochOrder(train.count, seed, 0);
  for (let step = 0; step < steps; step++) {
    const { images, labels } = drawn(found, step);
    for (const [n, index] of batchOf(order, step, steps).entries()) {
      train.images.set(images.subarray(n * pixels, (n + 1) * pixels), index * pixels);
      train.labels[index] = labels[n]!;
    }
  }
  const test = { count: batch, ...drawn(found, steps) };
  const names = Array.from({ length: classes }, (_, i) => String(i));
  return {
    info: { name: found.name, shape, classes, classNames: names, trainCount: train.count, testCount: batch },
    sha256: '',
    train,
    test,
  } as unknown as DataSet;
}
