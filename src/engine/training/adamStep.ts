import * as tf from '@tensorflow/tfjs-core';
import { runFused } from '../operator/fusedKernels.js';

/** Adam's constants (Kingma and Ba, algorithm 1). */
interface AdamConstants {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** One step. */
interface AdamStep extends AdamConstants {
  readonly learningRate: number;
  /** √(1 − β₂ᵗ), where ε is added to √v and not to √v̂ = √v/√(1 − β₂ᵗ). */
  readonly rawCorrection?: number | undefined;
}

/** What the kernel is told; its inputs are `learningRate`, `power1`, `power2`, and `value0`, `first0`, `second0`, `gradient0` and so on. */
export interface AdamAttributes extends AdamConstants {
  readonly count: number;
}

/** All that a step changes. The weights with their moments, in one order. */
export interface AdamVariables {
  /** β₁ᵗ and β₂ᵗ of the step to come; scalars. */
  readonly power1: tf.Variable;
  readonly power2: tf.Variable;
  readonly values: readonly tf.Variable[];
  readonly firsts: readonly tf.Variable[];
  readonly seconds: readonly tf.Variable[];
}

/**
 * One step of Adam of all weights by one kernel: tfjs takes some twelve operations for each weight, which for small
 * weights cost more than what they compute.
 * @param gradients one of each weight
 */
export function adamStep(
  { power1, power2, values, firsts, seconds }: AdamVariables,
  gradients: readonly tf.Tensor[],
  { learningRate, rawCorrection, ...constants }: AdamStep,
): void {
  const numbered = (name: string, tensors: readonly tf.Tensor[]) =>
    tensors.map((tensor, i) => [`${name}${i}`, tensor] as const);
  tf.tidy(() => {
    // The kernel's √(v/(1 − power2)) + ε is √v + ε of a power of 0; the correction is then the rate's.
    const isRaw = rawCorrection !== undefined;
    const inputs = {
      learningRate: tf.scalar(learningRate * (rawCorrection ?? 1)),
      ...{ power1, power2: isRaw ? tf.scalar(0) : power2 },
      ...Object.fromEntries([
        ...numbered('value', values),
        ...numbered('first', firsts),
        ...numbered('second', seconds),
        ...numbered('gradient', gradients),
      ]),
    };
    const changed = runFused('AdamStep', inputs, { ...constants, count: values.length });
    for (const [i, variable] of [...values, ...firsts, ...seconds].entries()) variable.assign(changed[i]!);
    power1.assign(tf.mul<tf.Scalar>(power1, constants.beta1));
    power2.assign(tf.mul<tf.Scalar>(power2, constants.beta2));
  });
}
