import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from './fusedKernels.js';

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
    const norms = forward(image, window, epsilon);
    (save as tf.GradSaveFunc)([image, norms]);
    return {
      value: norms,
      gradFunc: (dn: tf.Tensor, saved: tf.Tensor[]) => {
        const [savedImage, savedNorms] = saved as [tf.Tensor4D, tf.Tensor4D];
        return gradient(savedImage, savedNorms, dn, window);
      },
    };
  });
  return operation(x) as tf.Tensor4D;
}

function forward(x: tf.Tensor4D, window: Window, epsilon: number): tf.Tensor4D {
  if (hasFused('PatchNorms')) return runFused('PatchNorms', { x }, { ...window, epsilon })[0] as tf.Tensor4D;
  const squares = tf.sum<tf.Tensor4D>(tf.square(x), 3, true); // [N, H, W, 1]
  const sums = tf.conv2d(squares, box(window), window.stride, window.padding); // [N, H′, W′, 1]
  return tf.sqrt(tf.add<tf.Tensor4D>(sums, epsilon));
}

function gradient(x: tf.Tensor4D, norms: tf.Tensor4D, dn: tf.Tensor, window: Window): tf.Tensor {
  if (hasFused('PatchNormsGradient'))
    return runFused('PatchNormsGradient', { x, norms, dn }, window)[0] as tf.Tensor;
  const share = tf.div<tf.Tensor4D>(dn, tf.maximum(norms, tiny)); // [N, H′, W′, 1]
  const [batch, height, width] = x.shape;
  const { stride, padding } = window;
  const spread = tf.conv2dTranspose(share, box(window), [batch, height, width, 1], stride, padding); // [N, H, W, 1]
  return tf.mul(x, spread);
}

function box({ kernel }: Window): tf.Tensor4D {
  return tf.ones([kernel, kernel, 1, 1]);
}
