import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from '../engine/backend/backend.js';
import type { BackendName, Precision } from '../protocol/engine.js';
import { type Given, type ReferenceCase, randomTensor } from './gpuCases.js';

/** How far a backend is from the reference backend in a case. */
export interface Deviation {
  readonly what: string;
  readonly precision: Precision;
  /** Of all values of y and the gradients, relative to the largest of each; null where one is not a number. */
  readonly largest: number | null;
  /** Where that is: `y`, or the gradient to `w`. */
  readonly of: string;
  /** The largest that counts as right. */
  readonly tolerance: number;
}

/** Relative to a result's largest value. A 16-bit float is off by up to 5 · 10⁻⁴ of itself. */
export const tolerances: Readonly<Record<Precision, number>> = { fp32: 1e-3, fp16: 2e-2 };

export function isRight({ largest, tolerance }: Deviation): boolean {
  return largest !== null && largest <= tolerance;
}

type Results = Readonly<Record<string, Float32Array>>;

/**
 * y and the gradients of layers on a backend and on the reference backend, which is in use after each of them.
 * @param precisions each in which the backend is to compute; in 16 bits those cases only that have them
 */
export async function* compareWithReference(
  backend: BackendName,
  cases: readonly ReferenceCase[],
  precisions: readonly Precision[] = ['fp32'],
): AsyncGenerator<Deviation> {
  for (const one of cases) {
    const actual: { readonly precision: Precision; readonly results: Results }[] = [];
    for (const precision of precisions) {
      if (precision === 'fp16' && !one.hasHalf) continue;
      await startBackend(backend, precision);
      actual.push({ precision, results: resultsOf(one) });
    }
    if (actual.length === 0) continue;
    await startBackend('cpu');
    const expected = resultsOf(one);
    for (const { precision, results } of actual)
      yield {
        what: one.what,
        precision,
        ...largestDeviation(results, expected),
        tolerance: tolerances[precision],
      };
  }
}

function largestDeviation(actual: Results, expected: Results): Pick<Deviation, 'largest' | 'of'> {
  let worst: Pick<Deviation, 'largest' | 'of'> = { largest: 0, of: 'y' };
  for (const [of, values] of Object.entries(expected)) {
    const largest = deviation(actual[of]!, values);
    if (largest === null) return { largest, of };
    if (largest > (worst.largest ?? 0)) worst = { largest, of };
  }
  return worst;
}

function deviation(actual: Float32Array, expected: Float32Array): number | null {
  if (actual.length !== expected.length) return null;
  let [largest, off] = [0, 0];
  for (const [i, value] of expected.entries()) {
    largest = Math.max(largest, Math.abs(value));
    const distance = Math.abs(actual[i]! - value);
    if (!Number.isFinite(distance)) return null;
    off = Math.max(off, distance);
  }
  return off === 0 ? 0 : off / largest;
}

/** On the backend in use. */
function resultsOf({ inputs, layer, hasGradients }: ReferenceCase): Results {
  const tensors = tf.tidy(() => {
    const given = inputs();
    const names = Object.keys(given);
    const apply = (...parts: tf.Tensor[]): tf.Tensor =>
      layer(Object.fromEntries(names.map((name, i) => [name, parts[i]!])) as Given);
    const y = apply(...Object.values(given));
    if (!hasGradients) return { y };
    const dy = randomTensor(y.shape, 1, 'dy');
    const gradients = tf.grads(apply)(Object.values(given), dy);
    return { y, ...Object.fromEntries(names.map((name, i) => [`the gradient to ${name}`, gradients[i]!])) };
  });
  const results = Object.entries(tensors).map(([name, tensor]) => {
    const values = Float32Array.from(tensor.dataSync<'float32'>());
    tensor.dispose();
    return [name, values] as const;
  });
  return Object.fromEntries(results);
}
