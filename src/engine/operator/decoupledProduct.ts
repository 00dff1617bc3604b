import * as tf from '@tensorflow/tfjs-core';
import type { AngularName, MagnitudeName } from '../../core/config/operatorSchema.js';
import { angularTerms } from './angularTerms.js';
import { hasFused, runFused } from './fusedKernels.js';
import { magnitudeRatio, magnitudeTerms } from './magnitudeTerms.js';

/** The functions of an operator and their constants. */
export interface OperatorFunctions {
  readonly magnitude: MagnitudeName;
  readonly angular: AngularName;
  readonly alpha: number;
  readonly beta: number;
  /** B of the square cosine; 2 where it is left out. */
  readonly exponent?: number | undefined;
}

/** What the operator is applied to, after the convolution. */
export interface ProductInputs {
  /** ⟨ŵ, x⟩ [N, H′, W′, F]. */
  readonly projection: tf.Tensor4D;
  /** n = ‖x‖ [N, H′, W′, 1]. */
  readonly norms: tf.Tensor4D;
  /** R [1] or [F]; for ball, tanh and seg. */
  readonly radius: tf.Tensor1D | undefined;
  /** k [1] or [F]; for the sigmoid. */
  readonly k: tf.Tensor1D | undefined;
}

/**
 * h(n)·g(θ) from the projection u = n·cos θ, with gradients (section 3.3 and 3.4 of Decoupled Networks) to
 * u: dy·(h/n)·g′, to n: Σ_F dy·(h′·g − (h/n)·g′·c), to R: Σ dy·∂h/∂R·g and to k: Σ dy·h·∂g/∂k; g′ is the slope in c.
 * @returns [N, H′, W′, F]
 */
export function decoupledProduct(inputs: ProductInputs, functions: OperatorFunctions): tf.Tensor4D {
  const hasRadius = inputs.radius !== undefined;
  const hasK = inputs.k !== undefined;
  const given = [inputs.projection, inputs.norms, inputs.radius, inputs.k].filter(
    (input) => input !== undefined,
  );
  const unpack = (tensors: readonly tf.Tensor[]): ProductInputs => ({
    projection: tensors[0] as tf.Tensor4D,
    norms: tensors[1] as tf.Tensor4D,
    radius: hasRadius ? (tensors[2] as tf.Tensor1D) : undefined,
    k: hasK ? (tensors[hasRadius ? 3 : 2] as tf.Tensor1D) : undefined,
  });

  const operation = tf.customGrad((...parameters) => {
    const save = parameters.pop() as tf.GradSaveFunc;
    const tensors = parameters as tf.Tensor[];
    save(tensors);
    return {
      value: forward(unpack(tensors), functions),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => gradients(unpack(saved), dy, functions),
    };
  });
  return operation(...given) as tf.Tensor4D;
}

function forward(inputs: ProductInputs, functions: OperatorFunctions): tf.Tensor {
  if (hasFused('DecoupledProduct'))
    return runFused('DecoupledProduct', { ...inputs }, functions)[0] as tf.Tensor;
  const { projection, norms, radius, k } = inputs;
  const { magnitude, angular, alpha, beta, exponent } = functions;
  const ratio = magnitudeRatio(magnitude, norms, radius, alpha, beta);
  if (angular === 'cosine') return tf.mul(projection, ratio);
  return tf.mul(tf.mul(ratio, norms), angularTerms(angular, cosines(projection, norms), k, exponent).value);
}

/** To u, n and, where there are any, R and k. */
function gradients(inputs: ProductInputs, dy: tf.Tensor, functions: OperatorFunctions): tf.Tensor[] {
  if (hasFused('DecoupledProductGradient'))
    return runFused('DecoupledProductGradient', { ...inputs, dy }, functions);
  const { projection, norms, radius, k } = inputs;
  const { magnitude, angular, alpha, beta, exponent } = functions;
  const h = magnitudeTerms(magnitude, norms, radius, alpha, beta);
  const c = cosines(projection, norms);
  const g = angularTerms(angular, c, k, exponent);
  const byProjection = tf.mul(dy, tf.mul(h.ratio, g.slope)); // [N, H′, W′, F]
  const byValue = tf.mul(dy, g.value); // [N, H′, W′, F]
  const byNorms = tf.sum(tf.sub(tf.mul(byValue, h.slope), tf.mul(byProjection, c)), 3, true); // [N, H′, W′, 1]
  const all = [byProjection, byNorms];
  if (radius !== undefined && h.byRadius !== undefined) all.push(sumTo(tf.mul(byValue, h.byRadius), radius));
  if (k !== undefined && g.byK !== undefined)
    all.push(sumTo(tf.mul(tf.mul(dy, tf.mul(h.ratio, norms)), g.byK), k));
  return all;
}

/** c = u/n; 0 at a zero patch. */
function cosines(projection: tf.Tensor, norms: tf.Tensor): tf.Tensor {
  return tf.div(projection, tf.maximum(norms, 1e-30));
}

/** Sum [N, H′, W′, F] to a parameter's shape: [F], or [1] where all filters share it. */
function sumTo(full: tf.Tensor, parameter: tf.Tensor): tf.Tensor {
  const perFilter = tf.sum(full, [0, 1, 2]);
  return parameter.size === full.shape[3] ? perFilter : tf.reshape(tf.sum(perFilter), parameter.shape);
}
