import * as tf from '@tensorflow/tfjs-core';
import type { AdversarialConfig } from '../../core/config/trainingSchema.js';
import { attackImages } from '../attack/attack.js';
import type { Attacked } from '../attack/objective.js';
import { pixelScale } from '../attack/pixelScale.js';

/** Where images stand in a training: their random starts depend on it, and so do not on who computes them. */
export interface BatchPlace {
  /** Finished steps. */
  readonly step: number;
  /** Position of the first image in its whole batch. */
  readonly from: number;
  readonly seed: number;
}

/**
 * Whether the image at a position of its batch is attacked: ⌊share · N⌋ of N are, evenly spread, so that each part of a
 * batch has its share.
 */
function isAttacked(position: number, share: number): boolean {
  return Math.floor((position + 1) * share) > Math.floor(position * share);
}

/**
 * Training images of which a share is replaced by an attack on the weights as they are now. The network is attacked as
 * it is used at test time, by its running averages: that is what an attacker will meet, it leaves the averages alone,
 * and each image's attack is its own, whatever batch or part it is in. (In the first steps the averages are
 * not worth much yet, and neither is the attack.)
 * @param x [N, H, W, C], normalised
 * @param labels [N], int32
 * @param most images that are attacked at a time
 * @returns [N, H, W, C]; the caller disposes it
 */
export async function adversarialBatch(
  model: Attacked,
  x: tf.Tensor4D,
  labels: tf.Tensor1D,
  config: AdversarialConfig,
  { step, from, seed }: BatchPlace,
  most: number,
): Promise<tf.Tensor4D> {
  const images = x.shape[0];
  const attacked = Array.from({ length: images }, (_, i) => i).filter((i) =>
    isAttacked(from + i, config.share),
  );
  let mixed = tf.clone(x);
  // The order of what is put behind the batch: where each image is taken from.
  const places = Array.from({ length: images }, (_, i) => i);
  for (let at = 0; at < attacked.length; at += most) {
    const chosen = attacked.slice(at, at + most);
    const own = tf.tidy(() => ({
      x: tf.gather(x, tf.tensor1d(chosen, 'int32')), // [n, H, W, C]
      labels: tf.gather(labels, tf.tensor1d(chosen, 'int32')), // [n]
    }));
    try {
      const { adversarial } = await attackImages(
        model,
        { x: own.x, goal: { kind: 'away', labels: own.labels }, keys: chosen.map((i) => from + i) },
        { steps: 1, restarts: 1, ...config, seed: (seed + Math.imul(step, 0x9e3779b1)) >>> 0 },
        pixelScale(model.normalization),
      );
      const before = mixed;
      mixed = tf.concat([before, adversarial]); // [N + at + n, H, W, C]
      tf.dispose([before, adversarial]);
    } catch (thrown) {
      mixed.dispose();
      throw thrown;
    } finally {
      tf.dispose([own.x, own.labels]);
    }
    for (const [i, place] of chosen.entries()) places[place] = images + at + i;
  }
  return tf.tidy(() => {
    const whole = tf.gather(mixed, tf.tensor1d(places, 'int32')); // [N, H, W, C]
    mixed.dispose();
    return whole;
  });
}
