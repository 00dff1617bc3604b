import * as tf from '@tensorflow/tfjs-core';
import type { OperatorFunctions } from './decoupledProduct.js';
import { hasFused, runFused } from './fusedKernels.js';
import { normEpsilon, type Window } from './patchNorms.js';

/** Batch normalisation at test time: value·slope + shift, [F] each, cut at 0 if `relu`. */
export interface ChannelAffine {
  readonly slope: tf.Tensor1D;
  readonly shift: tf.Tensor1D;
  readonly relu: boolean;
}

export interface AffineConvolutionInputs {
  /** [N, H, W, Cin]. */
  readonly x: tf.Tensor4D;
  /** [K, K, Cin, F]; of unit length where the convolution is decoupled. */
  readonly filters: tf.Tensor4D;
  /** R [1] or [F]; for ball, tanh and seg. */
  readonly radius?: tf.Tensor1D | undefined;
  /** k [1] or [F]; for the sigmoid. */
  readonly k?: tf.Tensor1D | undefined;
}

/**
 * Whether a convolution, h·g and the batch normalisation behind it are one operation here: it finishes a few images
 * while a cache has them. It is for test time, and has no gradient.
 */
export function canFinishConvolution(): boolean {
  return hasFused('AffineConvolution') && !tf.engine().isTapeOn();
}

/**
 * `normalizeWith` of the convolution and, where there are functions, of its `decoupledProduct`, to the last bit.
 * @param functions left out: a plain convolution
 * @returns [N, H′, W′, F]
 */
export function affineConvolution(
  inputs: AffineConvolutionInputs,
  functions: OperatorFunctions | undefined,
  window: Window,
  { slope, shift, relu }: ChannelAffine,
): tf.Tensor4D {
  const attributes = { ...window, epsilon: normEpsilon, functions, relu };
  return runFused('AffineConvolution', { ...inputs, slope, shift }, attributes)[0] as tf.Tensor4D;
}
