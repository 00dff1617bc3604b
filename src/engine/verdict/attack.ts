import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { type AttackName, defaultSteps } from '../../core/attack/attack.js';
import type { Network } from '../../core/config/network.js';
import type { Normalization } from '../../core/config/normalizationSchema.js';
import type { Attack } from '../../core/verdict/analysis.js';
import { attackImages } from '../attack/attack.js';
import { pixelScale } from '../attack/pixelScale.js';
import { throwIfCancelled } from '../cancelled.js';
import type { DataSet } from '../data/dataSet.js';
import { denormalise, imageTensor, inOrder, labelTensor } from '../data/images.js';
import { batchSize } from '../model/batchSize.js';
import type { DcnetModel } from '../model/model.js';
import { argMax } from '../training/evaluate.js';
import { rounded } from './evidence.js';
import { type ExplainOptions, layersOf } from './explain.js';
import { type FactorLayer, factorsOf } from './factors.js';

/** Which attack, and how large. */
export interface ErrorAttack {
  readonly attack: AttackName;
  /** Largest change of a pixel, in pixel values of 0 to 255. */
  readonly epsilon: number;
}

/**
 * Images under attack, in ℓ∞ and white box; the iterative ones with their default steps and one start.
 * @param x [N, H, W, C], normalised
 * @param labels [N], int32
 * @param indices of the images in their split
 * @returns [N, H, W, C], normalised; the caller disposes it
 * @throws DcnetError `cancelled`
 */
export async function underAttack(
  model: DcnetModel,
  x: tf.Tensor4D,
  labels: tf.Tensor1D,
  indices: ArrayLike<number>,
  { attack, epsilon }: ErrorAttack,
  signal?: AbortSignal,
): Promise<tf.Tensor4D> {
  const { adversarial } = await attackImages(
    model,
    { x, goal: { kind: 'away', labels }, keys: indices },
    { attack, epsilon, norm: 'linf', steps: defaultSteps, restarts: 1, seed: 1 },
    pixelScale(model.normalization),
    signal,
  );
  return adversarial;
}

/**
 * Attack every image of a split and tell which factor of each layer the perturbation moved.
 * @throws DcnetError `cancelled`
 */
export async function attackSplit(
  model: DcnetModel,
  network: Network,
  data: DataSet,
  splitName: 'train' | 'test',
  chosen: ErrorAttack,
  { signal, onProgress }: ExplainOptions = {},
): Promise<Omit<Attack, 'checkpoint'>> {
  const split = data[splitName];
  const { shape, classes } = data.info;
  const { hidden } = layersOf(network);
  const moved = new Map(hidden.map(({ name }) => [name, { h: 0, g: 0 }]));
  const predicted = new Array<number>(split.count);
  let right = 0;
  let rightUnderAttack = 0;
  onProgress?.({ activity: 'Attacking', done: 0, total: split.count });
  for (const indices of inOrder(split, Math.max(1, batchSize(network) >> 1))) {
    throwIfCancelled(signal);
    const before = imageTensor(split.images, shape, indices, model.normalization);
    const labels = labelTensor(split.labels, indices);
    let after: tf.Tensor4D;
    try {
      after = await underAttack(model, before, labels, indices, chosen, signal);
    } catch (thrown) {
      tf.dispose([before, labels]);
      throw thrown;
    }
    const pairs = tf.concat([before, after]) as tf.Tensor4D; // [2N, H, W, C]
    const scores = model.walk(pairs, (layer, input) => {
      const sums = moved.get(layer.name);
      if (sums === undefined) return;
      const { h, g } = factorsOf(model, layer as FactorLayer, input);
      sums.h += relativeChange(h);
      sums.g += relativeChange(g);
    });
    const logits = scores.dataSync<'float32'>();
    tf.dispose([before, labels, after, pairs, scores]);
    for (const [i, index] of indices.entries()) {
      const classOf = (at: number): number => argMax(logits.subarray(at * classes, (at + 1) * classes));
      const attacked = classOf(indices.length + i);
      predicted[index] = attacked;
      if (classOf(i) === split.labels[index]) right++;
      if (attacked === split.labels[index]) rightUnderAttack++;
    }
    onProgress?.({ activity: 'Attacking', done: indices.at(-1)! + 1, total: split.count });
    await setImmediate();
  }
  return {
    split: splitName,
    sampleSize: split.count,
    ...chosen,
    accuracy: right / split.count,
    accuracyUnderAttack: rightUnderAttack / split.count,
    predicted,
    layers: [...moved].map(([name, { h, g }]) => ({
      name,
      h: rounded(h / split.count),
      g: rounded(g / split.count),
    })),
  };
}

/** Σ over images of ‖after − before‖ / ‖before‖, from [2N, ...]: first all before, then all after. */
function relativeChange(values: tf.Tensor): number {
  const [before, after] = tf.split(tf.reshape(values, [values.shape[0]!, -1]), 2) as [tf.Tensor, tf.Tensor];
  const change = tf.div(tf.norm(tf.sub(after, before), 2, 1), tf.maximum(tf.norm(before, 2, 1), 1e-30));
  return tf.sum(change).dataSync()[0]!;
}

/** Normalised images as bytes [N, H, W, C]: what an attacked image looks like. */
export function pixelsOf(x: tf.Tensor4D, normalization: Normalization): Uint8Array {
  const channels = normalization.mean.length;
  return Uint8Array.from(x.dataSync(), (value, i) =>
    Math.round(Math.max(0, Math.min(255, denormalise(value, normalization, i % channels)))),
  );
}
