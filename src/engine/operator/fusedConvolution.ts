import * as tf from '@tensorflow/tfjs-core';
import { type BatchRadius, isOfBatch } from './batchRadius.js';
import type { OperatorFunctions } from './decoupledProduct.js';
import { runFused } from './fusedKernels.js';

/** What the fused kernels of a whole decoupled convolution are told. */
export interface FusedConvolutionAttributes extends OperatorFunctions {
  readonly stride: number;
  readonly padding: 'same' | 'valid';
  /** Inside the roots of ‖w‖ and ‖x‖. */
  readonly epsilon: number;
}

/** What it is applied to; what is left out is something the operator has no use for. */
export interface FusedConvolutionInputs {
  /** [N, H, W, Cin]. */
  readonly x: tf.Tensor4D;
  /** [K, K, Cin, F]. */
  readonly w: tf.Tensor4D;
  /** R [1] or [F], or that of the batch. */
  readonly radius: tf.Tensor1D | BatchRadius | undefined;
  /** k [1] or [F]. */
  readonly k: tf.Tensor1D | undefined;
}

/**
 * A decoupled convolution on a backend whose kernels do the whole of it at once: `DecoupledConvolution` gives y, then,
 * where a gradient is recorded, the filter norms and the patch norms, and where it is given ρ in place of R, E‖x‖ as the
 * last; `DecoupledConvolutionGradient` takes the norms back.
 * @returns [N, H′, W′, F]
 */
export function fusedConvolution(
  { x, w, radius, k }: FusedConvolutionInputs,
  attributes: FusedConvolutionAttributes,
): tf.Tensor4D {
  const isAdaptive = isOfBatch(radius);
  const inputs: Record<string, tf.Tensor | undefined> = {
    x,
    w,
    ...(isAdaptive ? { rho: radius.rho } : { radius }),
    k,
  };
  const given = Object.entries(inputs).filter(
    (entry): entry is [string, tf.Tensor] => entry[1] !== undefined,
  );
  const named = (tensors: readonly tf.Tensor[]): Record<string, tf.Tensor> =>
    Object.fromEntries(given.map(([name], index) => [name, tensors[index]!]));
  const convolve = (tensors: readonly tf.Tensor[], traced: boolean): tf.Tensor[] => {
    const outputs = runFused('DecoupledConvolution', named(tensors), { ...attributes, traced });
    if (isAdaptive) radius.onMean(outputs.pop() as tf.Scalar);
    return outputs;
  };
  const tensors = given.map(([, tensor]) => tensor);
  // Nothing is written for a gradient that nobody will ask for.
  if (!tf.engine().isTapeOn()) return convolve(tensors, false)[0] as tf.Tensor4D;
  const operation = tf.customGrad((...parameters) => {
    const save = parameters.pop() as tf.GradSaveFunc;
    const tensors = parameters as tf.Tensor[];
    const outputs = convolve(tensors, true);
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
  return operation(...tensors) as tf.Tensor4D;
}
