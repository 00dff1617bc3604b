import * as tf from '@tensorflow/tfjs-core';

/**
 * The values of a computed tensor, of which nothing stays on the device. They do not leave through `tidy`, which would
 * look for tensors in each of them.
 */
export function valuesOf(compute: () => tf.Tensor): Float32Array {
  const tensor = tf.tidy(compute);
  const values = tensor.dataSync<'float32'>().slice();
  tensor.dispose();
  return values;
}
