import * as tf from '@tensorflow/tfjs-core';
import type { Config } from '../../core/config/schema.js';

/** What the training loss depends on. */
export type LossOptions = Pick<Config, 'labelSmoothing' | 'loss'>;

/**
 * The training loss, mean over the batch: −Σ t·log(softmax + ε), with t = (1 − s)·onehot + s/classes for label
 * smoothing s (authors' code, s = 0.01 and ε = 1e-4). With ε = 0 it is the softmax cross entropy. With ε it is at
 * most −log ε, however far off the logits are: only values that are not finite, or the test loss, tell of divergence.
 * @param targets one-hot, [N, classes]
 * @param logits [N, classes]
 */
export function trainingLoss(
  targets: tf.Tensor,
  logits: tf.Tensor,
  { labelSmoothing, loss: { epsilon } }: LossOptions,
): tf.Scalar {
  if (epsilon === 0)
    return tf.losses.softmaxCrossEntropy(targets, logits, undefined, labelSmoothing) as tf.Scalar;
  return tf.tidy(() => {
    const [images, classes] = logits.shape as [number, number];
    const smoothed = tf.add(tf.mul(targets, 1 - labelSmoothing), labelSmoothing / classes); // [N, classes]
    const log = tf.log(tf.add(tf.softmax(logits), epsilon)); // [N, classes]
    return tf.div<tf.Scalar>(tf.neg(tf.sum(tf.mul(smoothed, log))), images);
  });
}
