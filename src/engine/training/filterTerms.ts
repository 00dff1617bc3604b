import * as tf from '@tensorflow/tfjs-core';
import type { Config } from '../../core/config/schema.js';
import type { DcnetModel } from '../model/model.js';
import { filterNorms, normalizeFilters } from '../operator/filterNorms.js';
import { normEpsilon } from '../operator/patchNorms.js';

/** What the config says of the gradients of decoupled filters. */
export type FilterTerms = Pick<Config, 'filterGradients' | 'orthogonality' | 'hypersphericalEnergy'>;

/**
 * Added to squared distances, so that filters that nearly coincide are driven apart by a finite force. At right angles it
 * changes the energy by 0.05 %.
 */
const distanceFloor = 1e-3;

/**
 * The gradients of a whole batch with what the config adds for decoupled filters, once a step: λ·½‖ŴᵀŴ − I‖² and the
 * hyperspherical energy enter the gradients, not the loss that is reported, as weight decay does. Weighted gradients are
 * then ‖w‖ times the sum, filter by filter (that the paper has them is certain, that this is their formula is not). In a
 * `tidy`.
 * @param gradients one of each of the model's trainable tensors, in their order
 * @returns as `gradients`; those of other tensors are the same ones
 */
export function withFilterTerms(
  model: DcnetModel,
  gradients: readonly tf.Tensor[],
  { filterGradients = 'standard', orthogonality = 0, hypersphericalEnergy = 0 }: FilterTerms,
): readonly tf.Tensor[] {
  if (filterGradients === 'standard' && orthogonality === 0 && hypersphericalEnergy === 0) return gradients;
  const kernels = new Set(model.decoupled.map(({ kernel }) => kernel));
  return model.trainable.map(({ variable }, i) => {
    if (!kernels.has(variable)) return gradients[i]!;
    let gradient = gradients[i]!;
    if (orthogonality > 0)
      gradient = tf.add(gradient, tf.mul(tf.grad(nonOrthogonality)(variable), orthogonality));
    // One filter has no other to keep away from.
    if (hypersphericalEnergy > 0 && variable.shape.at(-1)! > 1)
      gradient = tf.add(gradient, tf.mul(tf.grad(energy)(variable), hypersphericalEnergy));
    // [..., F] · [F]
    return filterGradients === 'weighted' ? tf.mul(gradient, filterNorms(variable, normEpsilon)) : gradient;
  });
}

/**
 * ½‖ŴᵀŴ − I‖², ŵ = w/√(‖w‖² + 1e-4), as in the authors' code.
 * @param w [..., F]
 */
function nonOrthogonality(w: tf.Tensor): tf.Scalar {
  const products = cosines(w); // [F, F]
  return tf.mul(tf.sum(tf.square(tf.sub(products, tf.eye(products.shape[0])))), 0.5);
}

/**
 * Mean of 1/(‖ŵᵢ − ŵⱼ‖² + 1e-3) over i ≠ j: Riesz energy with s = 2 (Liu et al., Learning towards Minimum
 * Hyperspherical Energy, NeurIPS 2018, equation 1).
 * @param w [..., F], F from 2
 */
function energy(w: tf.Tensor): tf.Scalar {
  const products = cosines(w); // [F, F]
  const filters = products.shape[0];
  const distances = tf.relu(tf.sub(2, tf.mul(products, 2))); // squared; rounding may take them below 0
  const others = tf.sub(1, tf.eye(filters));
  const pairs = tf.mul(others, tf.div(1, tf.add(distances, distanceFloor)));
  return tf.div(tf.sum(pairs), filters * (filters - 1));
}

/** ŴᵀŴ [F, F]. @param w [..., F] */
function cosines(w: tf.Tensor): tf.Tensor2D {
  const filters = tf.reshape(normalizeFilters(w, normEpsilon), [-1, w.shape.at(-1)!]) as tf.Tensor2D;
  return tf.matMul(filters, filters, true, false);
}
