import * as tf from '@tensorflow/tfjs-core';
import type { WeightingName } from '../../core/config/operatorSchema.js';
import { usesRadius } from '../../core/operator/operator.js';
import { affineConvolution, type ChannelAffine } from './affineConvolution.js';
import { type BatchRadius, batchRadius, isOfBatch } from './batchRadius.js';
import { decoupledProduct, type OperatorFunctions, type ProductInputs } from './decoupledProduct.js';
import { normalizeFilters } from './filterNorms.js';
import { fusedConvolution } from './fusedConvolution.js';
import { hasFused } from './fusedKernels.js';
import { normEpsilon, patchNorms } from './patchNorms.js';
import { projectionAndNorms } from './projection.js';
import { filterFactors, radiusInUse } from './weighting.js';

export interface DecoupledConv2dOptions extends OperatorFunctions {
  readonly stride: number;
  readonly padding: 'same' | 'valid';
  /**
   * R in use, in the unit of ‖x‖: [1] or [F], or that of the batch. Needed by ball, tanh and seg; gradients flow to it.
   */
  readonly radius?: tf.Tensor1D | BatchRadius | undefined;
  /** How ‖w‖ enters h; left out: not at all. */
  readonly weighting?: WeightingName | undefined;
  /** ρ [1] or [F], for the separate weighting: R is ρ, or that in mean patch norms; gradients flow to it. */
  readonly rho?: tf.Tensor1D | undefined;
  /** k of the sigmoid: [1] or [F]; gradients flow to it. */
  readonly k?: tf.Tensor1D | undefined;
  /**
   * Computes h·g, and what else is done to it, where {@link hasBareProduct} holds; left out: {@link decoupledProduct}.
   */
  readonly product?: typeof decoupledProduct | undefined;
  /** Batch normalisation at test time, done to the output along with all else where `canFinishConvolution()`. */
  readonly affine?: ChannelAffine | undefined;
  /** Gets the convolution before h and g are applied; the tensor lives no longer than the output's other parts. */
  readonly onProjection?: ((projection: tf.Tensor4D) => void) | undefined;
}

/**
 * Decoupled convolution h(‖w‖, ‖x‖)·g(θ) of every patch with every filter (Decoupled Networks, equation 3), zero padding
 * included in the patch. ‖w‖ and ‖x‖ carry ε = 1e-4 inside the root, as in the authors' code.
 *
 * Gradients flow to x, w, the radius, ρ and k.
 * @param x [N, H, W, Cin]
 * @param w [K, K, Cin, F]
 * @returns [N, H′, W′, F]
 */
export function decoupledConv2d(
  x: tf.Tensor4D,
  w: tf.Tensor4D,
  options: DecoupledConv2dOptions,
): tf.Tensor4D {
  const { weighting = 'none' } = options;
  const factors = filterFactors(weighting, w, options.rho); // [F]
  if (factors === undefined) return unweighted(x, w, options);
  if (options.affine === undefined) return tf.mul<tf.Tensor4D>(unweighted(x, w, options), factors);
  const affine = { ...options.affine, slope: tf.mul<tf.Tensor1D>(options.affine.slope, factors) };
  return unweighted(x, w, { ...options, affine });
}

/** Whether the last thing that a decoupled convolution does is h·g of its projection. */
export function hasBareProduct({
  magnitude,
  angular,
  weighting = 'none',
}: Pick<DecoupledConv2dOptions, 'magnitude' | 'angular' | 'weighting'>): boolean {
  return (
    (weighting === 'none' || weighting === 'joint-tanh') && !(magnitude === 'linear' && angular === 'cosine')
  );
}

/** h(‖x‖)·g(θ), with the radius in the unit of ‖x‖. */
function unweighted(x: tf.Tensor4D, w: tf.Tensor4D, options: DecoupledConv2dOptions): tf.Tensor4D {
  const { stride, padding, magnitude, angular, alpha, exponent } = options;
  const window = { kernel: w.shape[0], stride, padding };
  const functions = { magnitude, angular, alpha, beta: options.beta, exponent };
  const { radius: given, weighting = 'none' } = options;
  const inUnitOfNorms = (): tf.Tensor1D | BatchRadius | undefined => {
    if (!usesRadius(magnitude) || given === undefined) return undefined;
    if (isOfBatch(given)) return { ...given, rho: radiusInUse(weighting, given.rho, w) };
    return radiusInUse(weighting, given, w);
  };
  const radiusFor = (norms: () => tf.Tensor4D): tf.Tensor1D | undefined => {
    const radius = inUnitOfNorms();
    return isOfBatch(radius) ? batchRadius(norms(), radius) : radius;
  };
  const k = angular === 'sigmoid' ? options.k : undefined;
  // The kernels give their projection to their gradient only.
  if (hasFused('DecoupledConvolution') && options.onProjection === undefined) {
    const attributes = { ...functions, stride, padding, epsilon: normEpsilon };
    return fusedConvolution({ x, w, radius: inUnitOfNorms(), k }, attributes);
  }
  const unit = normalizeFilters(w, normEpsilon); // [K, K, Cin, F]
  if (magnitude === 'linear' && angular === 'cosine') {
    // α‖x‖cos θ = α⟨ŵ, x⟩: no patch norm is needed.
    const filters = alpha === 1 ? unit : tf.mul<tf.Tensor4D>(unit, alpha);
    if (options.affine !== undefined)
      return affineConvolution({ x, filters }, undefined, window, options.affine);
    const scaled = tf.conv2d(x, filters, stride, padding);
    options.onProjection?.(scaled);
    return scaled;
  }
  if (options.affine !== undefined) {
    const radius = radiusFor(() => patchNorms(x, window, normEpsilon));
    return affineConvolution({ x, filters: unit, radius, k }, functions, window, options.affine);
  }
  const { projection, norms } = projectionAndNorms(x, unit, window);
  options.onProjection?.(projection);
  const inputs: ProductInputs = { projection, norms, radius: radiusFor(() => norms), k };
  const { product = decoupledProduct } = options;
  return product(inputs, functions);
}
