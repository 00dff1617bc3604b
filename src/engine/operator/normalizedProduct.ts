import * as tf from '@tensorflow/tfjs-core';
import type { ChannelAffine } from './affineConvolution.js';
import { type BatchStatistics, batchNormEpsilon } from './batchNorm.js';
import type { OperatorFunctions, ProductInputs } from './decoupledProduct.js';
import { hasFused, runFused } from './fusedKernels.js';

/** γ and β of batch normalisation [F], and whether its output is cut at 0. */
export interface ChannelScale {
  readonly gamma: tf.Tensor1D;
  readonly beta: tf.Tensor1D;
  readonly relu: boolean;
}

/**
 * Whether h(n)·g(θ) and the batch normalisation behind it are one operation here, of fewer passes over memory: the
 * product is normalised while a cache has it, and its gradient is taken on while a cache has that. At test time it has
 * no gradient.
 */
export function canNormalizeProduct(training: boolean): boolean {
  return training ? hasFused('NormalizedProduct') : hasFused('AffineProduct') && !tf.engine().isTapeOn();
}

/**
 * `batchNormalize` of `decoupledProduct`, to the last bit, with its gradient.
 * @param onStatistics gets the batch's statistics, which live for the length of the call
 * @returns [N, H′, W′, F]
 */
export function batchNormalizeProduct(
  inputs: ProductInputs,
  functions: OperatorFunctions,
  { gamma, beta, relu }: ChannelScale,
  onStatistics: (statistics: BatchStatistics) => void,
): tf.Tensor4D {
  const all: [string, tf.Tensor | undefined][] = Object.entries({ ...inputs, gamma, beta });
  const given = all.filter((entry): entry is [string, tf.Tensor] => entry[1] !== undefined);
  const operation = tf.customGrad((...parameters) => {
    const save = parameters.pop() as tf.GradSaveFunc;
    const named = namedAs(given, parameters as tf.Tensor[]);
    const [y, mean, variance, inverse, product] = runFused('NormalizedProduct', named, {
      ...functions,
      relu,
      epsilon: batchNormEpsilon,
    }) as [tf.Tensor, tf.Tensor1D, tf.Tensor1D, tf.Tensor1D, tf.Tensor];
    onStatistics({ mean, variance });
    save([...(parameters as tf.Tensor[]), product, y, mean, inverse]);
    return {
      value: y,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [product, y, mean, inverse] = saved.slice(given.length);
        const { beta: _, ...needed } = namedAs(given, saved);
        const found = runFused(
          'NormalizedProductGradient',
          { ...needed, product, y, dy, mean, inverse },
          { ...functions, relu },
        );
        const [byProjection, byNorms, byGamma, byBeta, ...byParameters] = found as [
          tf.Tensor,
          tf.Tensor,
          tf.Tensor,
          tf.Tensor,
          ...tf.Tensor[],
        ];
        return [byProjection, byNorms, ...byParameters, byGamma, byBeta];
      },
    };
  });
  return operation(...given.map(([, tensor]) => tensor)) as tf.Tensor4D;
}

/** `normalizeWith` of `decoupledProduct` (test time), to the last bit; no gradient flows. */
export function normalizeProductWith(
  inputs: ProductInputs,
  functions: OperatorFunctions,
  { slope, shift, relu }: ChannelAffine,
): tf.Tensor4D {
  return runFused('AffineProduct', { ...inputs, slope, shift }, { ...functions, relu })[0] as tf.Tensor4D;
}

function namedAs(
  given: readonly (readonly [string, tf.Tensor])[],
  tensors: readonly tf.Tensor[],
): Record<string, tf.Tensor> {
  return Object.fromEntries(given.map(([name], index) => [name, tensors[index]!]));
}
