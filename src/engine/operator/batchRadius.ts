import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from './fusedKernels.js';

/** A radius in the unit of the batch's mean patch norm, R = ρ·E‖x‖ (authors' code). */
export interface BatchRadius {
  /** ρ [1] or [F]; gradients flow to it. */
  readonly rho: tf.Tensor1D;
  /** Gets E‖x‖, a scalar, which lives for the length of the call. */
  readonly onMean: (mean: tf.Scalar) => void;
}

/** Whether R is in mean patch norms, which have to be known first. */
export function isOfBatch(radius: tf.Tensor1D | BatchRadius | undefined): radius is BatchRadius {
  return radius !== undefined && 'rho' in radius;
}

/**
 * R of a batch; gradients flow to ρ, E‖x‖·dR, and through the mean to each norm, Σ_F dR·ρ over their number.
 * @param norms ‖x‖ [N, H′, W′, 1]
 * @returns as ρ
 */
export function batchRadius(norms: tf.Tensor4D, { rho, onMean }: BatchRadius): tf.Tensor1D {
  if (!hasFused('BatchRadius')) {
    const mean = tf.mean<tf.Scalar>(norms);
    onMean(mean);
    return tf.mul<tf.Tensor1D>(rho, mean);
  }
  const operation = tf.customGrad((...parameters) => {
    const save = parameters.pop() as tf.GradSaveFunc;
    const [n, factors] = parameters as [tf.Tensor4D, tf.Tensor1D];
    const [radius, mean] = runFused('BatchRadius', { norms: n, rho: factors }, {}) as [
      tf.Tensor1D,
      tf.Scalar,
    ];
    onMean(mean);
    save([n, factors, mean]);
    return {
      value: radius,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [norms, rho, mean] = saved;
        return runFused('BatchRadiusGradient', { norms, rho, mean, dy }, {});
      },
    };
  });
  return operation(norms, rho) as tf.Tensor1D;
}
