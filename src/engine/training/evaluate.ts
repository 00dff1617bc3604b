import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { throwIfCancelled } from '../cancelled.js';
import type { DataSet } from '../data/dataSet.js';
import { imageTensor, inOrder } from '../data/images.js';
import { batchFrom, type ImageBatch, type Split } from '../data/split.js';
import type { DcnetModel } from '../model/model.js';

export interface SplitResult {
  readonly sampleSize: number;
  /** Softmax cross entropy without label smoothing, mean over the images; not finite where a logit is not. */
  readonly loss: number;
  readonly accuracy: number;
  readonly imagesOfClass: readonly number[];
  readonly correctOfClass: readonly number[];
}

export const evaluationBatch = 200;

/** Threads that share what is evaluated. */
export interface EvaluationWorkers {
  readonly count: number;
  /** Scores of images, [N, classes]. */
  predict(batch: ImageBatch): Promise<Float32Array>;
}

/**
 * Run a split through the network as it is used at test time.
 * @param onProgress images done so far
 * @throws DcnetError `cancelled`
 */
export async function evaluateSplit(
  model: DcnetModel,
  data: DataSet,
  splitName: 'train' | 'test',
  options: {
    readonly signal?: AbortSignal;
    readonly onProgress?: (done: number) => void;
    /** At most so many images at a time. */
    readonly batch?: number | undefined;
    /** Who computes; this thread where there are none. Each image's scores are the same. */
    readonly workers?: EvaluationWorkers | undefined;
  } = {},
): Promise<SplitResult> {
  const split = data[splitName];
  const { shape, classes } = data.info;
  const imagesOfClass = new Array<number>(classes).fill(0);
  const correctOfClass = new Array<number>(classes).fill(0);
  let loss = 0;
  let correct = 0;
  let done = 0;
  const most = evaluationBatch * (options.workers?.count ?? 1);
  for (const indices of inOrder(split, Math.min(most, options.batch ?? most))) {
    throwIfCancelled(options.signal);
    const logits = await (options.workers?.predict(batchFrom(split, indices)) ??
      scoresOf(model, split, shape, indices));
    for (let i = 0; i < indices.length; i++) {
      const row = logits.subarray(i * classes, (i + 1) * classes);
      const label = split.labels[indices[i]!]!;
      loss += logSumExp(row) - row[label]!;
      imagesOfClass[label]!++;
      if (argMax(row) === label) {
        correct++;
        correctOfClass[label]!++;
      }
    }
    done += indices.length;
    options.onProgress?.(done);
    await setImmediate();
  }
  return { sampleSize: done, loss: loss / done, accuracy: correct / done, imagesOfClass, correctOfClass };
}

/** [N, classes]. */
async function scoresOf(
  model: DcnetModel,
  split: Split,
  shape: DataSet['info']['shape'],
  indices: Uint32Array,
): Promise<Float32Array> {
  const output = tf.tidy(() => model.predict(imageTensor(split.images, shape, indices, model.normalization))); // [N, classes]
  const logits = await output.data<'float32'>();
  output.dispose();
  return logits;
}

/** The first of the largest values; a row of NaN has its first. */
export function argMax(row: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i]! > row[best]!) best = i;
  return best;
}

/** ln Σ exp, without overflow. */
export function logSumExp(row: Float32Array): number {
  const largest = row.reduce((a, b) => Math.max(a, b));
  return largest + Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}
