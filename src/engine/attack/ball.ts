import * as tf from '@tensorflow/tfjs-core';
import type { AttackNorm } from '../../core/attack/attack.js';
import { neighbour, roundTowards } from './float32.js';
import type { PixelScale } from './pixelScale.js';

/**
 * The images that an attack may give: within ε of each original, and made of pixels of 0 to 255. Pixel values need not
 * be whole numbers.
 *
 * An attack computes in float32, the bound holds without any tolerance: the float32 values that come out differ from
 * the originals by no more than ε, the difference taken in float64, where that of two float32 is exact, and there divided
 * by the unit. For ℓ∞ the two float32 nearest to x ± ε on the inner side bound each value. For ℓ2 the steps are projected
 * in float32, and the last image again in float64, each value then rounded towards the original.
 */
export interface Ball {
  /** Back into the ball, to the last bit for ℓ∞ and to rounding for ℓ2; in a `tidy`. [N, H, W, C] */
  project(x: tf.Tensor4D): tf.Tensor4D;
  /** Into the ball to the last bit. [N, H, W, C] */
  settle(x: tf.Tensor4D): tf.Tensor4D;
  dispose(): void;
}

/**
 * @param x the originals, [N, H, W, C], in the range of pixels
 * @param epsilon in pixel values
 */
export function ballAround(x: tf.Tensor4D, norm: AttackNorm, epsilon: number, scale: PixelScale): Ball {
  return norm === 'linf' ? box(x, epsilon, scale) : sphere(x, epsilon, scale);
}

function box(x: tf.Tensor4D, epsilon: number, { lowest, highest, unit }: PixelScale): Ball {
  const values = x.dataSync<'float32'>();
  const channels = unit.length;
  const bound = (sign: 1 | -1, limits: readonly number[]): tf.Tensor4D =>
    tf.tensor4d(
      values.map((value, i) => {
        const channel = i % channels;
        const inner = edge(value, sign * epsilon, unit[channel]!);
        return sign > 0 ? Math.min(inner, limits[channel]!) : Math.max(inner, limits[channel]!);
      }),
      x.shape,
    );
  const [low, high] = [bound(-1, lowest), bound(1, highest)];
  const project = (moved: tf.Tensor4D): tf.Tensor4D => tf.minimum(tf.maximum(moved, low), high);
  return {
    project,
    settle: (moved) => tf.tidy(() => project(moved)),
    dispose: () => tf.dispose([low, high]),
  };
}

/**
 * The last float32 on the way from `value`, a float32, that is no farther from it than |reach|.
 * @param reach in pixel values, with the sign of the way
 */
function edge(value: number, reach: number, unit: number): number {
  // In the sum float64 rounds, too: a float32 a hair beyond may take the bound with it.
  const near = roundTowards(value + reach * unit, value);
  return Math.abs(near - value) / unit <= Math.abs(reach) ? near : neighbour(near, value);
}

/** A float32 norm is off by less than this share of itself, for images of any size that fits. */
const roundingShare = 1e-6;

function sphere(x: tf.Tensor4D, epsilon: number, { lowest, highest, unit }: PixelScale): Ball {
  const [low, high, units] = [lowest, highest, unit].map((values) => tf.tensor1d([...values])); // [C]
  return {
    project(moved) {
      const pixels = tf.div(tf.sub(moved, x), units!); // [N, H, W, C]
      const length = tf.sqrt(tf.sum(tf.square(pixels), [1, 2, 3], true)); // [N, 1, 1, 1]
      const kept = tf.minimum(1, tf.div(epsilon, tf.maximum(length, 1e-30)));
      const inside = tf.add(x, tf.mul(tf.mul(pixels, kept), units!));
      // A value that is clipped comes nearer to the original, so the length does not grow.
      return tf.minimum(tf.maximum(inside, low!), high!);
    },
    settle(moved) {
      const originals = x.dataSync<'float32'>();
      const values = moved.dataSync<'float32'>().slice();
      const size = values.length / x.shape[0];
      const channels = unit.length;
      for (let from = 0; from < values.length; from += size) {
        let squares = 0;
        for (let i = from; i < from + size; i++)
          squares += ((values[i]! - originals[i]!) / unit[i % channels]!) ** 2;
        const length = Math.sqrt(squares);
        if (length <= epsilon * (1 - roundingShare)) continue;
        const kept = (epsilon / length) * (1 - roundingShare);
        for (let i = from; i < from + size; i++) {
          const original = originals[i]!;
          values[i] = roundTowards(original + Math.min(1, kept) * (values[i]! - original), original);
        }
      }
      return tf.tensor4d(values, x.shape);
    },
    dispose: () => tf.dispose([low!, high!, units!]),
  };
}
