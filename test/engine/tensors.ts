import * as tf from '@tensorflow/tfjs-core';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { expect } from 'vitest';

/** `length` float32 values in [low, high), the same for a seed. */
export function randomValues(seed: number, length: number, low = -1, high = 1): Float64Array {
  const generator = xoroshiro128plus(seed);
  return Float64Array.from({ length }, () => Math.fround(low + (high - low) * uniformFloat64(generator)));
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** A float32 tensor of float64 values. */
export function tensorOf<R extends tf.Rank>(values: Float64Array, shape: readonly number[]): tf.Tensor<R> {
  return tf.tensor(Float32Array.from(values), [...shape] as tf.ShapeMap[R]);
}

/** Each value within `tolerance` of the expected one, as a share of the largest expected size or of `floor`. */
export function expectClose(
  actual: tf.Tensor,
  expected: Float64Array,
  tolerance: number,
  what: string,
  floor = 1e-30,
): void {
  const values = actual.dataSync<'float32'>();
  expect(values.length, what).toBe(expected.length);
  const scale = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), floor);
  let worst = 0;
  for (let index = 0; index < expected.length; index++) {
    const error = Math.abs(values[index]! - expected[index]!) / scale;
    if (!(error <= worst)) worst = error;
  }
  expect(worst, `${what}: largest error as a share of ${scale}`).toBeLessThan(tolerance);
}

/** Run `use` twice, the first time to let lazy tensors be made, and check that the second leaves none behind. */
export function expectNoLeak(use: () => void): void {
  use();
  const before = tf.memory();
  use();
  const after = tf.memory();
  expect(after.numTensors).toBe(before.numTensors);
  expect(after.numDataBuffers).toBe(before.numDataBuffers);
}
