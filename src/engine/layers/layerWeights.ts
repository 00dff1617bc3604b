import type * as tf from '@tensorflow/tfjs-core';
import { initializers, type LayerVariable } from '@tensorflow/tfjs-layers';

/** The tensor a layer got: tf.layers passes one tensor or a list with one. */
export function onlyTensor(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
  const tensor = Array.isArray(inputs) ? inputs[0] : inputs;
  if (tensor === undefined) throw new Error('A layer needs one input.');
  return tensor;
}

/** The variable behind a layer's weight: `read` returns it itself, typed as a tensor. */
export function variableOf(weight: LayerVariable): tf.Variable {
  return weight.read() as tf.Variable;
}

/**
 * Initial weights of variance 2/inputs (He et al. 2015, equation 10).
 * @param inputs that each unit or filter adds up
 */
export function heNormal(inputs: number, seed: number) {
  return initializers.randomNormal({ mean: 0, stddev: Math.sqrt(2 / inputs), seed });
}
