import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { throwIfCancelled } from '../cancelled.js';
import type { DataSet } from '../data/dataSet.js';
import { imageTensor, inOrder } from '../data/images.js';
import type { Split } from '../data/split.js';
import type { DcnetModel } from '../model/model.js';

export interface SplitResult {
  readonly sampleSize: number;
  /** Softmax cross entropy without label smoothing, mean over the images; not finite where a logit is not. */
  readonly loss: number;
  readonly accuracy: number;
  /** Share of the images whose class is among the five with the largest scores; of fewer than ten classes none is told. */
  readonly top5Accuracy: number | undefined;
  readonly imagesOfClass: readonly number[];
  readonly correctOfClass: readonly number[];
}

/** Of fewer classes, five are half of them or more: that tells little. */
const fewestClassesOfTop5 = 10;

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
  let amongFive = 0;
  let done = 0;
  const batches = inOrder(split, Math.min(evaluationBatch, options.batch ?? evaluationBatch));
  const scored = scoresOf(model, split, shape, batches, options.signal);
  for await (const { indices, logits } of scored) {
    for (let i = 0; i < indices.length; i++) {
      const row = logits.subarray(i * classes, (i + 1) * classes);
      const label = split.labels[indices[i]!]!;
      loss += logSumExp(row) - row[label]!;
      imagesOfClass[label]!++;
      if (rankOf(row, label) < 5) amongFive++;
      if (argMax(row) === label) {
        correct++;
        correctOfClass[label]!++;
      }
    }
    done += indices.length;
    options.onProgress?.(done);
    await setImmediate();
  }
  return {
    sampleSize: done,
    loss: loss / done,
    accuracy: correct / done,
    top5Accuracy: classes < fewestClassesOfTop5 ? undefined : amongFive / done,
    imagesOfClass,
    correctOfClass,
  };
}

interface Scored {
  readonly indices: Uint32Array;
  /** [N, classes]. */
  readonly logits: Float32Array;
}

/** The scores of batches. The next one is queued before those of one are read: a device does not wait for images. */
async function* scoresOf(
  model: DcnetModel,
  split: Split,
  shape: DataSet['info']['shape'],
  batches: Iterator<Uint32Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Scored> {
  const queue = () => {
    const { value: indices, done } = batches.next();
    if (done) return undefined;
    throwIfCancelled(signal);
    const output = tf.tidy(() =>
      model.predict(imageTensor(split.images, shape, indices, model.normalization)),
    ); // [N, classes]
    return { indices, output };
  };
  let next = queue();
  try {
    while (next !== undefined) {
      const { indices, output } = next;
      try {
        next = undefined;
        next = queue();
        yield { indices, logits: await output.data<'float32'>() };
      } finally {
        output.dispose();
      }
    }
  } finally {
    next?.output.dispose();
  }
}

/** The first of the largest values; a row of NaN has its first. */
export function argMax(row: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i]! > row[best]!) best = i;
  return best;
}

/** How many come before a place in falling order, from 0; of equal values the first comes first, as in `argMax`. */
function rankOf(row: ArrayLike<number>, place: number): number {
  let before = 0;
  for (let i = 0; i < row.length; i++)
    if (row[i]! > row[place]! || (row[i] === row[place] && i < place)) before++;
  return before;
}

/** ln Σ exp, without overflow. */
export function logSumExp(row: Float32Array): number {
  const largest = row.reduce((a, b) => Math.max(a, b));
  return largest + Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}
