import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from './fusedKernels.js';

/**
 * ŵ = w / √(‖w‖² + ε), each filter by itself.
 *
 * Gradient: dL/dw = dL/dŵ / n − w · ⟨w, dL/dŵ⟩ / n³ with n = √(‖w‖² + ε).
 * @param w [..., F]: [K, K, Cin, F], or [features, units] of a dense layer
 * @returns as w
 */
export function normalizeFilters<T extends tf.Tensor>(w: T, epsilon: number): T {
  if (hasFused('NormalizeFilters')) return fusedNormalizeFilters(w, epsilon) as T;
  const operation = tf.customGrad((input, save) => {
    const filters = tf.reshape(input as tf.Tensor, [-1, w.shape.at(-1)!]); // [K·K·Cin, F]
    const norms = tf.sqrt(tf.add(tf.sum(tf.square(filters), 0, true), epsilon)); // [1, F]
    (save as tf.GradSaveFunc)([filters, norms]);
    return {
      value: tf.reshape(tf.div(filters, norms), w.shape),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [savedFilters, savedNorms] = saved as [tf.Tensor2D, tf.Tensor2D];
        const slope = tf.div<tf.Tensor2D>(tf.reshape(dy, savedFilters.shape), savedNorms);
        const along = tf.div(tf.sum(tf.mul(savedFilters, slope), 0, true), tf.square(savedNorms)); // [1, F]
        return tf.reshape(tf.sub(slope, tf.mul(savedFilters, along)), w.shape);
      },
    };
  });
  return operation(w) as T;
}

function fusedNormalizeFilters(w: tf.Tensor, epsilon: number): tf.Tensor {
  const operation = tf.customGrad((input, save) => {
    const filters = input as tf.Tensor;
    const [unit, norms] = runFused('NormalizeFilters', { w: filters }, { epsilon });
    (save as tf.GradSaveFunc)([filters, norms!]);
    return {
      value: unit!,
      gradFunc: (dy: tf.Tensor, [w, norms]: tf.Tensor[]) =>
        runFused('NormalizeFiltersGradient', { w, norms, dy }, {})[0]!,
    };
  });
  return operation(w);
}

/**
 * n = √(‖w‖² + ε) of each filter; differentiable.
 * @param w [..., F]
 * @returns [F]
 */
export function filterNorms(w: tf.Tensor, epsilon: number): tf.Tensor1D {
  const filters = tf.reshape(w, [-1, w.shape.at(-1)!]); // [values of a filter, F]
  return tf.sqrt(tf.add<tf.Tensor1D>(tf.sum(tf.square(filters), 0), epsilon));
}
