import * as tf from '@tensorflow/tfjs-core';
import type { OperatorFunctions } from './decoupledProduct.js';
import { runFused } from './fusedKernels.js';

/** What the fused kernels of a whole decoupled convolution are told. */
export interface FusedConvolutionAttributes extends OperatorFunctions {
  readonly stride: number;
  readonly padding: 'same' | 'valid';
  /** Inside the roots of ‖w‖ and ‖x‖. */
  readonly epsilon: number;
}

/** What it is applied to; a name that is left out is one the operator has no use for. */
export interface FusedConvolutionInputs {
  /** [N, H, W, Cin]. */
  readonly x: tf.Tensor4D;
  /** [K, K, Cin, F]. */
  readonly w: tf.Tensor4D;
  /** ‖x‖ [N, H′, W′, 1] where it was computed before: its gradient is then the caller's. */
  readonly norms: tf.Tensor4D | undefined;
  /** R [1] or [F]. */
  readonly radius: tf.Tensor1D | undefined;
  /** k [1] or [F]. */
  readonly k: tf.Tensor1D | undefined;
}

/**
 * A decoupled convolution on a backend whose kernels do the whole of it at once: `DecoupledConvolution` gives y and,
 * where a gradient is recorded, the filter norms and the patch norms that were not given; `DecoupledConvolutionGradient`
 * takes all of them back.
 * @returns [N, H′, W′, F]
 */
export function fusedConvolution(
  inputs: FusedConvolutionInputs,
  attributes: FusedConvolutionAttributes,
): tf.Tensor4D {
  const given = Object.entries(inputs).filter(
    (entry): entry is [string, tf.Tensor] => entry[1] !== undefined,
  );
  const named = (tensors: readonly tf.Tensor[]): Record<string, tf.Tensor> =>
    Object.fromEntries(given.map(([name], index) => [name, tensors[index]!]));
  // Nothing but y is written where nobody will ask for a gradient.
  if (!tf.engine().isTapeOn())
    return runFused(
      'DecoupledConvolution',
      { ...inputs },
      {
        ...attributes,
        traced: false,
      },
    )[0] as tf.Tensor4D;
  const operation = tf.customGrad((...parameters) => {
    const save = parameters.pop() as tf.GradSaveFunc;
    const tensors = parameters as tf.Tensor[];
    const outputs = runFused('DecoupledConvolution', named(tensors), { ...attributes, traced: true });
    save([...tensors, ...outputs]);
    return {
      value: outputs[0]!,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [y, filterNorms, patchNorms] = saved.slice(given.length);
        const trace = { y, filterNorms, patchNorms };
        return runFused('DecoupledConvolutionGradient', { ...named(saved), ...trace, dy }, attributes);
      },
    };
  });
  return operation(...given.map(([, tensor]) => tensor)) as tf.Tensor4D;
}
