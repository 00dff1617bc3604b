import * as tf from '@tensorflow/tfjs-core';
import { usesRadius } from '../core/operator/operator.js';
import { normals } from '../core/random.js';
import { startBackend } from '../engine/backend/backend.js';
import { type DecoupledConv2dOptions, decoupledConv2d } from '../engine/operator/decoupledConv2d.js';

/** How far webgpu is from the reference backend. */
export interface Deviation {
  readonly what: string;
  /** Of all values of y and the gradients, relative to the largest of each. */
  readonly largest: number;
}

const cases: readonly Pick<DecoupledConv2dOptions, 'magnitude' | 'angular' | 'exponent' | 'weighting'>[] = [
  { magnitude: 'linear', angular: 'cosine' },
  { magnitude: 'tanh', angular: 'cosine' },
  { magnitude: 'ball', angular: 'linear' },
  { magnitude: 'seg', angular: 'square-cosine' },
  { magnitude: 'tanh', angular: 'sigmoid' },
  { magnitude: 'linear', angular: 'square-cosine', exponent: 2.5 },
  { magnitude: 'tanh', angular: 'cosine', weighting: 'joint-tanh' },
];

const shapes = [
  [2, 9, 5, 20],
  [3, 12, 17, 35],
] as const;

/**
 * y and the gradients of decoupled convolutions on webgpu and on the reference backend. Leaves the latter in use.
 * @param quick the first shape only
 */
export async function compareWithReference(quick: boolean): Promise<readonly Deviation[]> {
  const compared = quick ? shapes.slice(0, 1) : shapes;
  const actual = await allResults('webgpu', compared);
  const expected = await allResults('cpu', compared);
  return actual.map(({ what, results }, index) => ({
    what,
    largest: Math.max(...results.map((values, i) => deviation(values, expected[index]!.results[i]!))),
  }));
}

function deviation(actual: Float32Array, expected: Float32Array): number {
  let [largest, off] = [0, 0];
  for (const [i, value] of expected.entries()) {
    largest = Math.max(largest, Math.abs(value));
    const distance = Math.abs(actual[i]! - value);
    if (Number.isNaN(distance)) return Number.POSITIVE_INFINITY;
    off = Math.max(off, distance);
  }
  return off === 0 ? 0 : off / largest;
}

async function allResults(
  backend: 'webgpu' | 'cpu',
  compared: readonly (typeof shapes)[number][],
): Promise<readonly { readonly what: string; readonly results: readonly Float32Array[] }[]> {
  await startBackend(backend);
  return compared.flatMap(([batch, side, channels, filters]) =>
    cases.map((functions) => {
      const of = (shape: number[], scale: number, name: string): tf.Tensor =>
        tf.tensor(normals(tf.util.sizeFromShape(shape), scale, 1, name), shape);
      const tensors = tf.tidy(() => {
        const inputs = {
          x: of([batch, side, side, channels], 1, 'x'),
          w: of([3, 3, channels, filters], 0.3, 'w'),
          ...(usesRadius(functions.magnitude) && { radius: tf.linspace(2, 16, filters) }),
          ...(functions.angular === 'sigmoid' && { k: tf.fill([filters], 0.4) }),
        };
        const names = Object.keys(inputs);
        const layer = (...given: tf.Tensor[]): tf.Tensor => {
          const { x, w, radius, k } = Object.fromEntries(names.map((name, i) => [name, given[i]]));
          return decoupledConv2d(x as tf.Tensor4D, w as tf.Tensor4D, {
            ...{ ...functions, alpha: 1, beta: 0.5, stride: 1, padding: 'same' },
            radius: radius as tf.Tensor1D | undefined,
            k: k as tf.Tensor1D | undefined,
          });
        };
        const y = layer(...Object.values(inputs));
        const dy = of(y.shape, 1, 'dy');
        return [y, ...tf.grads(layer)(Object.values(inputs), dy)];
      });
      const results = tensors.map((tensor) => Float32Array.from(tensor.dataSync<'float32'>()));
      tf.dispose(tensors);
      const what = `${Object.values(functions).join(' · ')}, ${batch}×${side}×${side}×${channels} to ${filters}`;
      return { what, results };
    }),
  );
}
