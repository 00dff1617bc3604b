import * as tf from '@tensorflow/tfjs-core';

/**
 * ŵ = w / √(‖w‖² + ε), each filter by itself.
 *
 * Gradient: dL/dw = dL/dŵ / n − w · ⟨w, dL/dŵ⟩ / n³ with n = √(‖w‖² + ε).
 * @param w [K, K, Cin, F]
 * @returns [K, K, Cin, F]
 */
export function normalizeFilters(w: tf.Tensor4D, epsilon: number): tf.Tensor4D {
  const operation = tf.customGrad((input, save) => {
    const filters = tf.reshape(input as tf.Tensor, [-1, w.shape[3]]); // [K·K·Cin, F]
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
  return operation(w) as tf.Tensor4D;
}
