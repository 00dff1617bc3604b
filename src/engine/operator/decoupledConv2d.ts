import * as tf from '@tensorflow/tfjs-core';
import { usesRadius } from '../../core/operator/operator.js';
import { decoupledProduct, type OperatorFunctions } from './decoupledProduct.js';
import { normalizeFilters } from './filterNorms.js';
import { fusedConvolution } from './fusedConvolution.js';
import { hasFused } from './fusedKernels.js';
import { normEpsilon, patchNorms } from './patchNorms.js';

export interface DecoupledConv2dOptions extends OperatorFunctions {
  readonly stride: number;
  readonly padding: 'same' | 'valid';
  /** R in use, in the unit of ‖x‖: [1] or [F]. Needed by ball, tanh and seg; gradients flow to it. */
  readonly radius?: tf.Tensor1D | undefined;
  /** k of the sigmoid: [1] or [F]; gradients flow to it. */
  readonly k?: tf.Tensor1D | undefined;
  /** ‖x‖ [N, H′, W′, 1] where the caller has it already (from {@link patchNorms} with `normEpsilon`). */
  readonly norms?: tf.Tensor4D | undefined;
  /** Gets the convolution before h and g are applied; the tensor lives no longer than the output's other parts. */
  readonly onProjection?: ((projection: tf.Tensor4D) => void) | undefined;
}

/**
 * Decoupled convolution h(‖x‖)·g(θ) of every patch with every filter (Decoupled Networks, equation 3), zero padding
 * included in the patch. ‖w‖ and ‖x‖ carry ε = 1e-4 inside the root, as in the authors' code.
 *
 * Gradients flow to x, w, the radius and k.
 * @param x [N, H, W, Cin]
 * @param w [K, K, Cin, F]
 * @returns [N, H′, W′, F]
 */
export function decoupledConv2d(
  x: tf.Tensor4D,
  w: tf.Tensor4D,
  options: DecoupledConv2dOptions,
): tf.Tensor4D {
  const { stride, padding, magnitude, angular, alpha } = options;
  const radius = usesRadius(magnitude) ? options.radius : undefined;
  const k = angular === 'sigmoid' ? options.k : undefined;
  // The kernels give their projection to their gradient only.
  if (hasFused('DecoupledConvolution') && options.onProjection === undefined) {
    const attributes = {
      magnitude,
      angular,
      alpha,
      beta: options.beta,
      stride,
      padding,
      epsilon: normEpsilon,
    };
    return fusedConvolution({ x, w, norms: options.norms, radius, k }, attributes);
  }
  const unit = normalizeFilters(w, normEpsilon); // [K, K, Cin, F]
  if (magnitude === 'linear' && angular === 'cosine') {
    // α‖x‖cos θ = α⟨ŵ, x⟩: no patch norm is needed.
    const scaled = tf.conv2d(x, alpha === 1 ? unit : tf.mul<tf.Tensor4D>(unit, alpha), stride, padding);
    options.onProjection?.(scaled);
    return scaled;
  }
  const norms = options.norms ?? patchNorms(x, { kernel: w.shape[0], stride, padding }, normEpsilon);
  const projection = tf.conv2d(x, unit, stride, padding); // [N, H′, W′, F]
  options.onProjection?.(projection);
  return decoupledProduct({ projection, norms, radius, k }, options);
}
