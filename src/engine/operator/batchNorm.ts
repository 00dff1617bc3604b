import * as tf from '@tensorflow/tfjs-core';

/** ε inside the root of the variance, as in the authors' code. */
export const batchNormEpsilon = 1e-3;

export interface BatchStatistics {
  /** [C]. */
  readonly mean: tf.Tensor1D;
  /** Of the population, [C]. */
  readonly variance: tf.Tensor1D;
}

/**
 * Normalise each channel by the batch's mean and variance, scale, shift, and, if `relu`, cut at 0: one operation
 * with one gradient, which passes over memory as few times as can be.
 *
 * Gradient, with x̂ the normalised input, P the number of positions and dy already 0 where the ReLU cut:
 * dβ = Σ dy, dγ = Σ dy·x̂, dx = γ/σ·(dy − dβ/P − x̂·dγ/P).
 * @param x [..., C]
 * @param gamma [C]
 * @param beta [C]
 * @param onStatistics gets the batch's statistics, which live for the length of the call
 */
export function batchNormalize(
  x: tf.Tensor,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  relu: boolean,
  onStatistics: (statistics: BatchStatistics) => void,
): tf.Tensor {
  const channels = gamma.size;
  const positions = x.size / channels;
  const operation = tf.customGrad((...parameters) => {
    const save = parameters.pop() as tf.GradSaveFunc;
    const [input, scale, shift] = parameters as [tf.Tensor, tf.Tensor1D, tf.Tensor1D];
    const flat = tf.reshape(input, [positions, channels]);
    const mean = tf.mean<tf.Tensor1D>(flat, 0);
    const variance = tf.mean<tf.Tensor1D>(tf.squaredDifference(flat, mean), 0);
    onStatistics({ mean, variance });
    const inverse = tf.rsqrt(tf.add(variance, batchNormEpsilon)); // 1/σ [C]
    const slope = tf.mul(scale, inverse);
    const affine = tf.add(tf.mul(flat, slope), tf.sub(shift, tf.mul(mean, slope)));
    const value = relu ? tf.relu(affine) : affine;
    save([flat, scale, mean, inverse, value]);
    return {
      value: tf.reshape(value, x.shape),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [input, scale, mean, inverse, output] = saved as [
          tf.Tensor2D,
          tf.Tensor1D,
          tf.Tensor1D,
          tf.Tensor1D,
          tf.Tensor2D,
        ];
        const flatDy = tf.reshape(dy, input.shape);
        const passed = relu ? tf.mul(flatDy, tf.step(output)) : flatDy;
        const normalised = tf.mul(tf.sub(input, mean), inverse);
        const byShift = tf.sum(passed, 0);
        const byScale = tf.sum(tf.mul(passed, normalised), 0);
        const centred = tf.sub(passed, tf.mul(byShift, 1 / positions));
        const byInput = tf.mul(
          tf.sub(centred, tf.mul(normalised, tf.mul(byScale, 1 / positions))),
          tf.mul(scale, inverse),
        );
        return [tf.reshape(byInput, x.shape), byScale, byShift];
      },
    };
  });
  return operation(x, gamma, beta);
}

/** Normalise by given statistics (test time): γ(x − mean)/√(variance + ε) + β, cut at 0 if `relu`. */
export function normalizeWith(
  x: tf.Tensor,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  relu: boolean,
  statistics: BatchStatistics,
): tf.Tensor {
  const slope = tf.mul(gamma, tf.rsqrt(tf.add(statistics.variance, batchNormEpsilon)));
  const affine = tf.add(tf.mul(x, slope), tf.sub(beta, tf.mul(statistics.mean, slope)));
  return relu ? tf.relu(affine) : affine;
}
