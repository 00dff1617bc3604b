import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from '../operator/fusedKernels.js';

/** What the kernel is told; its inputs are `weight`, and `average0`, `value0` and so on. */
export interface AveragesAttributes {
  readonly count: number;
  readonly decay: number;
}

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
  if (values.length !== averages.length) throw new Error('Each running average needs a value.');
  tf.tidy(() => {
    const [nextWeight, ...next] = hasFused('RunningAverages')
      ? runFused(
          'RunningAverages',
          {
            weight,
            ...Object.fromEntries(averages.map((average, i) => [`average${i}`, average])),
            ...Object.fromEntries(values.map((value, i) => [`value${i}`, value])),
          },
          { count: averages.length, decay },
        )
      : stepped(averages, weight, values, decay);
    weight.assign(nextWeight!);
    averages.forEach((average, i) => {
      average.assign(next[i]!);
    });
  });
}

/** w and the averages after the step. */
function stepped(
  averages: readonly tf.Tensor[],
  weight: tf.Tensor,
  values: readonly tf.Tensor[],
  decay: number,
): tf.Tensor[] {
  const nextWeight = tf.add(tf.mul(weight, decay), 1 - decay);
  const rate = tf.div(1 - decay, nextWeight);
  return [
    nextWeight,
    ...averages.map((average, i) => tf.add(average, tf.mul(tf.sub(values[i]!, average), rate))),
  ];
}
