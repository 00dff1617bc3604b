import * as tf from '@tensorflow/tfjs-core';
import type { MagnitudeName } from '../../core/config/operatorSchema.js';

/** Below this ‖x‖/R the series of tanh is exact to float32. */
const seriesLimit = 0.1;
/** Keeps 1/n finite at a zero patch when ε = 0; it is multiplied by 0 there. */
const tiny = 1e-30;

/**
 * What a magnitude function contributes at every patch. Shapes: [N, H′, W′, 1], or [N, H′, W′, F] where R differs
 * by filter.
 */
export interface MagnitudeTerms {
  /** h(n) / n, finite also for n → 0. */
  readonly ratio: tf.Tensor;
  /** h′(n). */
  readonly slope: tf.Tensor;
  /** ∂h/∂R; `undefined` for functions without a radius. */
  readonly byRadius: tf.Tensor | undefined;
}

/**
 * h(n)/n and, if `derivatives`, its derivatives (table of magnitude functions, Decoupled Networks section 3.3).
 * @param norms n = ‖x‖ [N, H′, W′, 1]
 * @param radius R [1] or [F]; needed by ball, tanh and seg only
 */
export function magnitudeRatio(
  name: MagnitudeName,
  norms: tf.Tensor,
  radius: tf.Tensor | undefined,
  alpha: number,
  beta: number,
): tf.Tensor {
  const n = tf.maximum(norms, tiny);
  switch (name) {
    case 'sphere':
      return tf.div(alpha, n);
    case 'ball':
      return tf.div(alpha, tf.maximum(n, required(radius)));
    case 'tanh':
      return tf.mul(tf.div(alpha, required(radius)), tanhRatio(tf.div(n, required(radius))));
    case 'linear':
      return tf.fill(norms.shape, alpha);
    case 'seg': {
      const beyond = tf.add(tf.div(tf.mul(required(radius), alpha - beta), n), beta);
      return tf.where(tf.lessEqual(n, required(radius)), tf.fill(beyond.shape, alpha), beyond);
    }
    case 'log':
      return tf.mul(alpha, tf.div(tf.log1p(n), n));
    case 'mix':
      return tf.add(alpha, tf.mul(beta, tf.div(tf.log1p(n), n)));
  }
}

/** h(n)/n with h′(n) and ∂h/∂R; parameters as in {@link magnitudeRatio}. */
export function magnitudeTerms(
  name: MagnitudeName,
  norms: tf.Tensor,
  radius: tf.Tensor | undefined,
  alpha: number,
  beta: number,
): MagnitudeTerms {
  const ratio = magnitudeRatio(name, norms, radius, alpha, beta);
  switch (name) {
    case 'sphere':
      return { ratio, slope: tf.zerosLike(norms), byRadius: undefined };
    case 'ball': {
      const R = required(radius);
      const inside = tf.cast(tf.lessEqual(norms, R), 'float32');
      const slope = tf.mul(inside, tf.div(alpha, R));
      return { ratio, slope, byRadius: tf.neg(tf.mul(slope, tf.div(norms, R))) };
    }
    case 'tanh': {
      const R = required(radius);
      const z = tf.div(norms, R);
      const slope = tf.mul(tf.div(alpha, R), tf.sub(1, tf.square(tf.tanh(z))));
      return { ratio, slope, byRadius: tf.neg(tf.mul(z, slope)) };
    }
    case 'linear':
      return { ratio, slope: tf.fill(norms.shape, alpha), byRadius: undefined };
    case 'seg': {
      const outside = tf.cast(tf.greater(norms, required(radius)), 'float32');
      const byRadius = tf.mul(outside, alpha - beta);
      return { ratio, slope: tf.sub(alpha, byRadius), byRadius };
    }
    case 'log':
      return { ratio, slope: tf.div(alpha, tf.add(norms, 1)), byRadius: undefined };
    case 'mix':
      return { ratio, slope: tf.add(alpha, tf.div(beta, tf.add(norms, 1))), byRadius: undefined };
  }
}

/** tanh(z)/z by its series 1 − z²/3 + 2z⁴/15 near 0, where the quotient would be 0/0. */
function tanhRatio(z: tf.Tensor): tf.Tensor {
  const square = tf.square(z);
  const series = tf.add(1, tf.mul(square, tf.sub(tf.mul(square, 2 / 15), 1 / 3)));
  const quotient = tf.div(tf.tanh(z), tf.maximum(z, seriesLimit));
  return tf.where(tf.less(z, seriesLimit), series, quotient);
}

function required(radius: tf.Tensor | undefined): tf.Tensor {
  if (radius === undefined) throw new Error('This magnitude function needs a radius.');
  return radius;
}
