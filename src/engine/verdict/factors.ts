import * as tf from '@tensorflow/tfjs-core';
import type { NetworkLayer } from '../../core/config/network.js';
import { usesRadius } from '../../core/operator/operator.js';
import type { DcnetModel } from '../model/model.js';
import { angularTerms } from '../operator/angularTerms.js';
import { normalizeFilters } from '../operator/filterNorms.js';
import { magnitudeRatio } from '../operator/magnitudeTerms.js';
import { normEpsilon, patchNorms } from '../operator/patchNorms.js';

/** A layer that has filters, and so two factors. */
export type FactorLayer = Extract<NetworkLayer, { type: 'conv' | 'dense' }>;

/** A layer's raw output as a product: output = h · g, position by position and filter by filter. */
export interface Factors {
  /** Magnitudes: [N, H′, W′, 1 or F], or [N, F] of a dense layer. */
  readonly h: tf.Tensor;
  /** Angular part: [N, H′, W′, F], or [N, F] of a dense layer. */
  readonly g: tf.Tensor;
  /** ‖x‖ of each patch, with the ε the layer has: [N, H′, W′, 1], or [N, 1] of a dense layer. */
  readonly norms: tf.Tensor;
}

/** Keeps u/n finite at a zero patch, where u is 0 too. */
const tiny = 1e-30;

/**
 * The two factors of a layer for its input, at test time (Decoupled Networks, equation 3). Their product is the
 * layer's output before normalisation: a decoupled layer has its ε = 1e-4 in both norms, as it computes; a plain
 * convolution or dense layer is read as h = ‖w‖‖x‖, g = cos θ.
 * @param input [N, H, W, Cin] or [N, features]; the caller is inside a `tidy`
 */
export function factorsOf(model: DcnetModel, layer: FactorLayer, input: tf.Tensor): Factors {
  const kernel = model.tensors.get(`${layer.name}/kernel`);
  if (kernel === undefined) throw new Error(`${layer.name} has no kernel.`);
  if (layer.type === 'dense') {
    const norms = tf.norm(input, 2, 1, true); // [N, 1]
    const weightNorms = tf.norm(kernel, 2, 0, true); // [1, F]
    const h = tf.mul(norms, weightNorms); // [N, F]
    return {
      norms,
      h,
      g: tf.div(tf.matMul(input as tf.Tensor2D, kernel as tf.Tensor as tf.Tensor2D), tf.maximum(h, tiny)),
    };
  }
  const { stride, padding, operator } = layer;
  const x = input as tf.Tensor4D;
  const w = kernel as tf.Tensor as tf.Tensor4D;
  const epsilon = operator === undefined ? 0 : normEpsilon;
  const norms = patchNorms(x, layer, epsilon); // [N, H′, W′, 1]
  if (operator === undefined) {
    const h = tf.mul(norms, tf.sqrt(tf.sum(tf.square(w), [0, 1, 2]))); // [N, H′, W′, F]
    return { norms, h, g: tf.div(tf.conv2d(x, w, stride, padding), tf.maximum(h, tiny)) };
  }
  const decoupled = model.decoupled.find(({ layer: { name } }) => name === layer.name);
  if (decoupled === undefined) throw new Error(`${layer.name} is not decoupled.`);
  const { magnitude, angular, alpha, beta } = operator;
  const projection = tf.conv2d(x, normalizeFilters(w, normEpsilon), stride, padding);
  const radius = usesRadius(magnitude) ? tf.tensor1d(decoupled.radius()) : undefined;
  const k = angular === 'sigmoid' ? tf.tensor1d(decoupled.k()) : undefined;
  return {
    norms,
    h: tf.mul(magnitudeRatio(magnitude, norms, radius, alpha, beta), norms),
    g: angularTerms(angular, tf.div(projection, tf.maximum(norms, tiny)), k).value,
  };
}
