import * as tf from '@tensorflow/tfjs-core';

/**
 * One step of a zero-debiased exponential average: what is kept is the debiased average itself and its weight
 * w = 1 − dᵗ, so that average ← average + (value − average)·(1 − d)/w. It starts at w = 0, where the first value
 * replaces whatever the average was.
 * @param averages variables to update, in place
 * @param weight w, a scalar variable that all of them share
 * @param values what to average, in the order of `averages`
 * @param decay d in [0, 1)
 */
export function updateRunningAverages(
  averages: readonly tf.Variable[],
  weight: tf.Variable,
  values: readonly tf.Tensor[],
  decay: number,
): void {
  tf.tidy(() => {
    weight.assign(tf.add(tf.mul(weight, decay), 1 - decay));
    const rate = tf.div(1 - decay, weight);
    averages.forEach((average, index) => {
      const value = values[index];
      if (value === undefined) throw new Error('Each running average needs a value.');
      average.assign(tf.add(average, tf.mul(tf.sub(value, average), rate)));
    });
  });
}
