import * as tf from '@tensorflow/tfjs-core';
import { type AngularName, squareExponent } from '../../core/config/operatorSchema.js';

/** Cosines are clamped to ±this before an arccos: float32 cosines exceed 1, and the slope at ±1 is infinite. */
const cosineLimit = 1 - 1e-7;

/** What an angular activation contributes; shapes [N, H′, W′, F]. */
export interface AngularTerms {
  /** g as a function of c = cos θ. */
  readonly value: tf.Tensor;
  /** dg/dc; capped near c = ±1 where the activation has an arccos. */
  readonly slope: tf.Tensor;
  /** ∂g/∂k; `undefined` for activations without k. */
  readonly byK: tf.Tensor | undefined;
}

/**
 * g(θ) from c = cos θ (Decoupled Networks section 3.4). With π/2 − θ = arcsin c, the linear activation is
 * (2/π)·arcsin c and the sigmoid tanh(arcsin(c)/2k)/tanh(π/4k).
 * @param cosine c [N, H′, W′, F]
 * @param k [1] or [F]; needed by the sigmoid only
 * @param exponent B of the square cosine
 */
export function angularTerms(
  name: AngularName,
  cosine: tf.Tensor,
  k: tf.Tensor | undefined,
  exponent: number = squareExponent,
): AngularTerms {
  switch (name) {
    case 'cosine':
      return { value: cosine, slope: tf.onesLike(cosine), byK: undefined };
    case 'square-cosine': {
      const size = tf.abs(cosine);
      if (exponent === squareExponent)
        return { value: tf.mul(size, cosine), slope: tf.mul(size, 2), byK: undefined };
      const power = tf.pow(size, exponent - 1); // |c|^(B − 1)
      return { value: tf.mul(power, cosine), slope: tf.mul(power, exponent), byK: undefined };
    }
    case 'linear': {
      const clamped = tf.clipByValue(cosine, -cosineLimit, cosineLimit);
      return {
        value: tf.mul(tf.asin(clamped), 2 / Math.PI),
        slope: tf.div(2 / Math.PI, sine(clamped)),
        byK: undefined,
      };
    }
    case 'sigmoid': {
      if (k === undefined) throw new Error('The sigmoid angular activation needs k.');
      const clamped = tf.clipByValue(cosine, -cosineLimit, cosineLimit);
      const complement = tf.asin(clamped); // π/2 − θ
      const twiceK = tf.mul(k, 2);
      const t = tf.tanh(tf.div(complement, twiceK));
      const full = tf.tanh(tf.div(Math.PI / 2, twiceK)); // tanh(π/4k): [1] or [F]
      const value = tf.div(t, full);
      const fall = tf.div(tf.sub(1, tf.square(t)), tf.mul(twiceK, full)); // dg/dA, A = π/2 − θ
      const slope = tf.div(fall, sine(clamped));
      // ∂g/∂k = −(A/k)·dg/dA + g·(π/4k²)·(1 − T²)/T
      const normaliser = tf.div(tf.mul(Math.PI / 4, tf.sub(1, tf.square(full))), tf.mul(tf.square(k), full));
      const byK = tf.sub(tf.mul(value, normaliser), tf.mul(fall, tf.div(complement, k)));
      return { value, slope, byK };
    }
  }
}

/** √(1 − c²), as (1 − c)(1 + c) so that float32 keeps its digits near ±1. */
function sine(cosine: tf.Tensor): tf.Tensor {
  return tf.sqrt(tf.mul(tf.sub(1, cosine), tf.add(1, cosine)));
}
