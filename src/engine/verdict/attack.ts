import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../../core/config/network.js';
import type { Attack } from '../../core/verdict/analysis.js';
import type { DataSet } from '../data/dataSet.js';
import { imageTensor, inOrder, labelTensor, normalise } from '../data/images.js';
import { batchSize } from '../model/batchSize.js';
import type { DcnetModel } from '../model/model.js';
import { argMax, throwIfCancelled } from '../training/evaluate.js';
import { rounded } from './evidence.js';
import { type ExplainOptions, layersOf } from './explain.js';
import { type FactorLayer, factorsOf } from './factors.js';

/**
 * Images moved by the fast gradient sign method, x + ε·sign(∂L/∂x), L the softmax cross entropy, clipped to the range
 * of pixels (Goodfellow, Shlens and Szegedy 2015, section 4). White box, and at test time: batch normalisation and
 * adaptive radii take their running averages.
 * @param x [N, H, W, C], normalised
 * @param labels [N], int32
 * @param epsilon largest change, in pixel values of 0 to 255
 * @returns [N, H, W, C], normalised
 */
export function fastGradientSign(
  model: DcnetModel,
  x: tf.Tensor4D,
  labels: tf.Tensor1D,
  classes: number,
  epsilon: number,
): tf.Tensor4D {
  return tf.tidy(() => {
    const targets = tf.oneHot(labels, classes); // [N, classes]
    const loss = (input: tf.Tensor): tf.Scalar =>
      // The sum, so that an image's gradient does not depend on the others of its batch.
      tf.losses.softmaxCrossEntropy(
        targets,
        model.predict(input as tf.Tensor4D),
        undefined,
        0,
        tf.Reduction.SUM,
      ) as tf.Scalar;
    const step = tf.mul(tf.sign(tf.grad(loss)(x)), normalise(epsilon) - normalise(0));
    return tf.clipByValue(tf.add(x, step), normalise(0), normalise(255)) as tf.Tensor4D;
  });
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
  epsilon: number,
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
    const before = imageTensor(split.images, shape, indices);
    const labels = labelTensor(split.labels, indices);
    const after = fastGradientSign(model, before, labels, classes, epsilon);
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
    epsilon,
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
export function pixelsOf(x: tf.Tensor4D): Uint8Array {
  return Uint8Array.from(x.dataSync(), (value) =>
    Math.round(Math.max(0, Math.min(255, value * 128 + 127.5))),
  );
}
