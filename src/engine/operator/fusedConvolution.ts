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
 * A decoupled convolution on a backend whose kernels do the whole of it at once: `DecoupledConvolution` gives y, the
 * projection, the patch norms and the filter norms, and `DecoupledConvolutionGradient` takes the last three back.
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
  const operation = tf.customGrad((...parameters) => {
    const save = parameters.pop() as tf.GradSaveFunc;
    const tensors = parameters as tf.Tensor[];
    const [y, ...trace] = runFused('DecoupledConvolution', named(tensors), attributes) as [
      tf.Tensor,
      ...tf.Tensor[],
    ];
    save([...tensors, ...trace]);
    return {
      value: y,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [projection, patchNorms, filterNorms] = saved.slice(given.length);
        const trace = { projection, patchNorms, filterNorms };
        return runFused('DecoupledConvolutionGradient', { ...named(saved), ...trace, dy }, attributes);
      },
    };
  });
  return operation(...given.map(([, tensor]) => tensor)) as tf.Tensor4D;
}
