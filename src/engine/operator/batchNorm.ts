import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from './fusedKernels.js';

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
  const operation = tf.customGrad((...parameters) => {
    const save = parameters.pop() as tf.GradSaveFunc;
    const [input, scale, shift] = parameters as [tf.Tensor, tf.Tensor1D, tf.Tensor1D];
    const [y, mean, variance, inverse] = forward(input, scale, shift, relu);
    onStatistics({ mean, variance });
    save([input, y, scale, mean, inverse]);
    return {
      value: y,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [x, y, gamma, mean, inverse] = saved as [tf.Tensor, tf.Tensor, ...tf.Tensor1D[]];
        return gradients({ x, y, dy, gamma, mean, inverse } as GradientInputs, relu);
      },
    };
  });
  return operation(x, gamma, beta);
}

type Forward = [y: tf.Tensor, mean: tf.Tensor1D, variance: tf.Tensor1D, inverse: tf.Tensor1D];

function forward(x: tf.Tensor, gamma: tf.Tensor1D, beta: tf.Tensor1D, relu: boolean): Forward {
  if (hasFused('BatchNormalization'))
    return runFused('BatchNormalization', { x, gamma, beta }, { epsilon: batchNormEpsilon, relu }) as Forward;
  const flat = tf.reshape(x, [-1, gamma.size]); // [P, C]
  const mean = tf.mean<tf.Tensor1D>(flat, 0);
  const variance = tf.mean<tf.Tensor1D>(tf.squaredDifference(flat, mean), 0);
  const inverse = tf.rsqrt(tf.add<tf.Tensor1D>(variance, batchNormEpsilon)); // 1/σ
  const slope = tf.mul(gamma, inverse);
  const affine = tf.add(tf.mul(x, slope), tf.sub(beta, tf.mul(mean, slope)));
  return [relu ? tf.relu(affine) : affine, mean, variance, inverse];
}

type GradientInputs = Readonly<Record<'x' | 'y' | 'dy' | 'gamma' | 'mean' | 'inverse', tf.Tensor>>;

/** dx, dγ, dβ. */
function gradients(inputs: GradientInputs, relu: boolean): tf.Tensor[] {
  if (hasFused('BatchNormalizationGradient')) return runFused('BatchNormalizationGradient', inputs, { relu });
  const { x, y, dy, gamma, mean, inverse } = inputs;
  const flat = (tensor: tf.Tensor): tf.Tensor => tf.reshape(tensor, [-1, gamma.size]); // [P, C]
  const passed = flat(relu ? tf.mul(dy, tf.step(y)) : dy);
  const normalised = tf.mul(tf.sub(flat(x), mean), inverse);
  const byBeta = tf.sum(passed, 0);
  const byGamma = tf.sum(tf.mul(passed, normalised), 0);
  const perPosition = gamma.size / x.size;
  const centred = tf.sub(passed, tf.mul(byBeta, perPosition));
  const tilted = tf.sub(centred, tf.mul(normalised, tf.mul(byGamma, perPosition)));
  return [tf.reshape(tf.mul(tilted, tf.mul(gamma, inverse)), x.shape), byGamma, byBeta];
}

/**
 * Normalise by given statistics (test time): γ(x − mean)/√(variance + ε) + β, cut at 0 if `relu`.
 *
 * Gradient to x alone: dx = γ/√(variance + ε)·dy, 0 where the ReLU cut.
 */
export function normalizeWith(
  x: tf.Tensor,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  relu: boolean,
  statistics: BatchStatistics,
): tf.Tensor {
  const { slope, shift } = testAffine(gamma, beta, statistics);
  const operation = tf.customGrad((input, save) => {
    const y = channelAffine(input as tf.Tensor, slope, shift, relu);
    (save as tf.GradSaveFunc)(relu ? [slope, y] : [slope]);
    return {
      value: y,
      gradFunc: (dy: tf.Tensor, [scale, kept]: tf.Tensor[]) =>
        tf.mul(kept === undefined ? dy : tf.mul(dy, tf.step(kept)), scale!),
    };
  });
  return operation(x);
}

/** Normalisation by given statistics as x·slope + shift, [C] each. */
export function testAffine(
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  { mean, variance }: BatchStatistics,
): { readonly slope: tf.Tensor1D; readonly shift: tf.Tensor1D } {
  const slope = tf.mul<tf.Tensor1D>(gamma, tf.rsqrt(tf.add(variance, batchNormEpsilon)));
  return { slope, shift: tf.sub(beta, tf.mul(mean, slope)) };
}

/** x·slope + shift per channel, cut at 0 if `relu`; for test time. Slope and shift [C]. */
export function channelAffine(x: tf.Tensor, slope: tf.Tensor, shift: tf.Tensor, relu: boolean): tf.Tensor {
  if (hasFused('ChannelAffine'))
    return runFused('ChannelAffine', { x, slope, shift }, { relu })[0] as tf.Tensor;
  const affine = tf.add(tf.mul(x, slope), shift);
  return relu ? tf.relu(affine) : affine;
}
