import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { DcnetError } from '../../core/errors.js';
import type { DataSet } from '../data/dataSet.js';
import { imageTensor, inOrder } from '../data/images.js';
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
  } = {},
): Promise<SplitResult> {
  const split = data[splitName];
  const { shape, classes } = data.info;
  const imagesOfClass = new Array<number>(classes).fill(0);
  const correctOfClass = new Array<number>(classes).fill(0);
  let loss = 0;
  let correct = 0;
  let done = 0;
  for (const indices of inOrder(split, Math.min(evaluationBatch, options.batch ?? evaluationBatch))) {
    throwIfCancelled(options.signal);
    const output = tf.tidy(() => model.predict(imageTensor(split.images, shape, indices))); // [N, classes]
    const logits = await output.data();
    output.dispose();
    for (let i = 0; i < indices.length; i++) {
      const row = logits.subarray(i * classes, (i + 1) * classes) as Float32Array;
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

/** @throws DcnetError `cancelled` */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new DcnetError({
      code: 'cancelled',
      message: 'It was cancelled.',
      remedy: 'Start it again when you like.',
    });
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
