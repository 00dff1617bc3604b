import * as tf from '@tensorflow/tfjs-core';
import type { AttackNorm } from '../../core/attack/attack.js';
import { normals, uniforms } from '../../core/random.js';
import type { PixelScale } from './pixelScale.js';

/** What a perturbation is drawn for: where PGD starts, anywhere in the ball; or noise as large as an attack, on its edge. */
export type Draw = 'start' | 'noise';

/**
 * Random perturbations of ‖·‖ ≤ ε. ℓ∞: each value uniform in ±ε, or one of the two. ℓ2: uniform in the ball, or on its
 * sphere. Not yet clipped to the range of pixels.
 * @param shape [N, H, W, C]
 * @param keys what tells an image from all others: its perturbation depends on the seed, its key and the purpose alone
 * @returns in units of the input
 */
export function randomPerturbation(
  draw: Draw,
  shape: tf.Tensor4D['shape'],
  keys: ArrayLike<number>,
  norm: AttackNorm,
  epsilon: number,
  scale: PixelScale,
  seed: number,
  purpose: string,
): tf.Tensor4D {
  const [images, height, width, channels] = shape;
  const size = height * width * channels;
  const values = new Float32Array(images * size);
  for (let image = 0; image < images; image++) {
    const stream = `${purpose} of image ${keys[image]}`;
    const pixels =
      norm === 'linf'
        ? uniforms(size, -epsilon, epsilon, seed, stream).map((value) =>
            draw === 'start' ? value : value < 0 ? -epsilon : epsilon,
          )
        : direction(draw, size, epsilon, seed, stream);
    for (let i = 0; i < size; i++) values[image * size + i] = pixels[i]! * scale.unit[i % channels]!;
  }
  return tf.tensor4d(values, shape);
}

function direction(draw: Draw, size: number, epsilon: number, seed: number, stream: string): Float64Array {
  const drawn = Float64Array.from(normals(size, 1, seed, stream));
  const length = Math.sqrt(drawn.reduce((sum, value) => sum + value * value, 0));
  const [share] = uniforms(1, 0, 1, seed, `${stream}, length`);
  const wanted = draw === 'start' ? epsilon * share! ** (1 / size) : epsilon;
  return drawn.map((value) => (value * wanted) / length);
}
