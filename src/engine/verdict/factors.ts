import * as tf from '@tensorflow/tfjs-core';
import type { NetworkLayer } from '../../core/config/network.js';
import { type Operator, usesRadius } from '../../core/operator/operator.js';
import type { DcnetModel } from '../model/model.js';
import { angularTerms } from '../operator/angularTerms.js';
import { normalizeFilters } from '../operator/filterNorms.js';
import { magnitudeRatio } from '../operator/magnitudeTerms.js';
import { normEpsilon, patchNorms, type Window } from '../operator/patchNorms.js';
import { filterFactors } from '../operator/weighting.js';

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
 * layer's output before normalisation: a decoupled layer has its ε = 1e-4 in both norms, as it computes, and ‖w‖ in h
 * where it is weighted; a plain
 * convolution or dense layer is read as h = ‖w‖‖x‖, g = cos θ.
 * @param input [N, H, W, Cin] or [N, features]; the caller is inside a `tidy`
 */
export function factorsOf(model: DcnetModel, layer: FactorLayer, input: tf.Tensor): Factors {
  const kernel = model.tensors.get(`${layer.name}/kernel`);
  if (kernel === undefined) throw new Error(`${layer.name} has no kernel.`);
  const [x, w, window] = asConvolution(layer, input, kernel);
  const { operator } = layer;
  const epsilon = operator === undefined ? 0 : normEpsilon;
  const norms = patchNorms(x, window, epsilon); // [N, H′, W′, 1]
  const of = operator === undefined ? plainFactors : decoupledFactors(model, layer.name, operator);
  const { h, g } = of(x, w, window, norms);
  // [N, 1, 1, C] → [N, C] of a dense layer
  const shaped = (tensor: tf.Tensor): tf.Tensor =>
    layer.type === 'dense' ? tf.reshape(tensor, [-1, tensor.shape[3]!]) : tensor;
  return { norms: shaped(norms), h: shaped(h), g: shaped(g) };
}

/** A dense layer is the convolution of one patch, all its features. */
function asConvolution(
  layer: FactorLayer,
  input: tf.Tensor,
  kernel: tf.Tensor,
): [x: tf.Tensor4D, w: tf.Tensor4D, window: Window] {
  if (layer.type === 'conv') return [input as tf.Tensor4D, kernel as tf.Tensor4D, layer];
  const [features, units] = kernel.shape as [number, number];
  const window = { kernel: 1, stride: 1, padding: 'valid' } as const;
  return [tf.reshape(input, [-1, 1, 1, features]), tf.reshape(kernel, [1, 1, features, units]), window];
}

type FactorsOf = (
  x: tf.Tensor4D,
  w: tf.Tensor4D,
  window: Window,
  norms: tf.Tensor,
) => Pick<Factors, 'h' | 'g'>;

const plainFactors: FactorsOf = (x, w, { stride, padding }, norms) => {
  const h = tf.mul(norms, tf.sqrt(tf.sum(tf.square(w), [0, 1, 2]))); // [N, H′, W′, F]
  return { h, g: tf.div(tf.conv2d(x, w, stride, padding), tf.maximum(h, tiny)) };
};

function decoupledFactors(model: DcnetModel, name: string, operator: Operator): FactorsOf {
  const decoupled = model.decoupled.find(({ layer }) => layer.name === name);
  if (decoupled === undefined) throw new Error(`${name} is not decoupled.`);
  const { magnitude, angular, alpha, beta, weighting, exponent } = operator;
  const hasRadius = usesRadius(magnitude);
  return (x, w, { stride, padding }, norms) => {
    const projection = tf.conv2d(x, normalizeFilters(w, normEpsilon), stride, padding);
    const radius = hasRadius ? tf.tensor1d(decoupled.radius()) : undefined;
    const k = angular === 'sigmoid' ? tf.tensor1d(decoupled.k()) : undefined;
    const h = tf.mul(magnitudeRatio(magnitude, norms, radius, alpha, beta), norms);
    const factors = filterFactors(weighting, w, hasRadius ? tf.tensor1d(decoupled.rho()) : undefined); // [F]
    return {
      h: factors === undefined ? h : tf.mul(h, factors),
      g: angularTerms(angular, tf.div(projection, tf.maximum(norms, tiny)), k, exponent).value,
    };
  };
}
