import * as tf from '@tensorflow/tfjs-core';

/** ε inside the square root of ‖w‖ and ‖x‖ in training, as in the authors' code. */
export const normEpsilon = 1e-4;

/** How a window is moved over an image; the same for a convolution and for its patch norms. */
export interface Window {
  /** Side of the square window. */
  readonly kernel: number;
  readonly stride: number;
  readonly padding: 'same' | 'valid';
}

/** Keeps 1/n finite at a zero patch when ε = 0; the numerator is 0 there. */
const tiny = 1e-30;

/**
 * ‖x‖ of every patch, zero padding included: √(Σ x² + ε). The squares are summed over the channels first and then
 * over the window, so that the box sum has one channel.
 *
 * Gradient: dL/dx = x · boxᵀ(dL/dn / n).
 * @param x [N, H, W, Cin]
 * @param epsilon `normEpsilon` where the norm divides in training; 0 for what is measured and shown
 * @returns [N, H′, W′, 1]
 */
export function patchNorms(x: tf.Tensor4D, window: Window, epsilon: number): tf.Tensor4D {
  const operation = tf.customGrad((input, save) => {
    const image = input as tf.Tensor4D;
    const squares = tf.sum<tf.Tensor4D>(tf.square(image), 3, true); // [N, H, W, 1]
    const box = tf.ones<tf.Rank.R4>([window.kernel, window.kernel, 1, 1]);
    const sums = tf.conv2d(squares, box, window.stride, window.padding); // [N, H′, W′, 1]
    const norms = tf.sqrt(tf.add(sums, epsilon));
    (save as tf.GradSaveFunc)([image, norms]);
    return {
      value: norms,
      gradFunc: (dn: tf.Tensor, saved: tf.Tensor[]) => {
        const [savedImage, savedNorms] = saved as [tf.Tensor4D, tf.Tensor4D];
        const share = tf.div<tf.Tensor4D>(dn, tf.maximum(savedNorms, tiny)); // [N, H′, W′, 1]
        const shape: tf.Tensor4D['shape'] = [
          ...(savedImage.shape.slice(0, 3) as [number, number, number]),
          1,
        ];
        const spread = tf.conv2dTranspose(
          share,
          tf.ones<tf.Rank.R4>([window.kernel, window.kernel, 1, 1]),
          shape,
          window.stride,
          window.padding,
        ); // [N, H, W, 1]
        return tf.mul(savedImage, spread);
      },
    };
  });
  return operation(x) as tf.Tensor4D;
}
