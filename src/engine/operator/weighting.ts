import * as tf from '@tensorflow/tfjs-core';
import type { WeightingName } from '../../core/config/operatorSchema.js';
import { filterNorms } from './filterNorms.js';
import { normEpsilon } from './patchNorms.js';

/**
 * What h is multiplied by for each filter's ‖w‖, which carries ε = 1e-4 as elsewhere: ‖w‖, or tanh(‖w‖/ρ). See
 * `weightFactor` of core for how far the formulas are to be trusted. Gradients flow to w and ρ.
 * @param w [..., F]
 * @param rho ρ [1] or [F]; needed by separate-tanh
 * @returns [F]; undefined where nothing is multiplied
 */
export function filterFactors(
  weighting: WeightingName,
  w: tf.Tensor,
  rho: tf.Tensor1D | undefined,
): tf.Tensor1D | undefined {
  switch (weighting) {
    case 'none':
    case 'joint-tanh':
      return undefined;
    case 'linear':
      return filterNorms(w, normEpsilon);
    case 'separate-tanh':
      if (rho === undefined) throw new Error('The separate weighting needs ρ.');
      return tf.tanh(tf.div<tf.Tensor1D>(filterNorms(w, normEpsilon), rho));
  }
}

/**
 * The radius in the unit of ‖x‖: R, and R/‖w‖ for joint-tanh, by which tanh(‖x‖‖w‖/R) is a tanh of ‖x‖. Gradients flow
 * to R and w.
 * @param radius R [1] or [F]
 * @param w [..., F]
 * @returns as R, or [F]
 */
export function radiusInUse(weighting: WeightingName, radius: tf.Tensor1D, w: tf.Tensor): tf.Tensor1D {
  return weighting === 'joint-tanh' ? tf.div<tf.Tensor1D>(radius, filterNorms(w, normEpsilon)) : radius;
}
