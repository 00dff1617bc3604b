import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { batchNormalize, normalizeWith } from '../../../src/engine/operator/batchNorm.js';
import { testBackends } from '../backends.js';
import { expectClose, expectNoLeak, randomValues, sizeOf, tensorOf } from '../tensors.js';

const epsilon = 1e-3;

function moments(x: Float64Array, channels: number) {
  const rows = x.length / channels;
  const mean = new Float64Array(channels);
  const variance = new Float64Array(channels);
  x.forEach((value, index) => {
    mean[index % channels]! += value / rows;
  });
  x.forEach((value, index) => {
    variance[index % channels]! += (value - mean[index % channels]!) ** 2 / rows;
  });
  return { mean, variance };
}

function normalized(x: Float64Array, gamma: Float64Array, beta: Float64Array, relu: boolean): Float64Array {
  const channels = gamma.length;
  const { mean, variance } = moments(x, channels);
  return x.map((value, index) => {
    const c = index % channels;
    const y = (gamma[c]! * (value - mean[c]!)) / Math.sqrt(variance[c]! + epsilon) + beta[c]!;
    return relu ? Math.max(0, y) : y;
  });
}

describe.each(testBackends)('batch normalisation on %s', (backend) => {
  beforeAll(async () => {
    await startBackend(backend);
  });

  test.each([
    { shape: [3, 4, 5, 6], relu: false },
    { shape: [3, 4, 5, 6], relu: true },
    { shape: [2, 3, 3, 3], relu: true },
    { shape: [17, 1], relu: false },
    { shape: [9, 8], relu: true },
  ])('$shape, relu $relu: value, statistics and gradients agree with float64', ({ shape, relu }) => {
    const channels = shape.at(-1)!;
    const values = {
      x: randomValues(1, sizeOf(shape), -3, 5),
      gamma: randomValues(2, channels, 0.5, 1.5),
      beta: randomValues(3, channels),
    };
    const upstream = randomValues(4, sizeOf(shape));
    const loss = (moved: Partial<typeof values>): number => {
      const { x, gamma, beta } = { ...values, ...moved };
      return normalized(x, gamma, beta, relu).reduce(
        (sum, value, index) => sum + value * upstream[index]!,
        0,
      );
    };
    const differences = (name: keyof typeof values): Float64Array =>
      values[name].map((value, index) => {
        const moved = (by: number) => ({
          [name]: values[name].map((old, at) => (at === index ? value + by : old)),
        });
        return (loss(moved(1e-6)) - loss(moved(-1e-6))) / 2e-6;
      });
    tf.tidy(() => {
      const inputs = [
        tensorOf(values.x, shape),
        tensorOf(values.gamma, [channels]),
        tensorOf(values.beta, [channels]),
      ];
      const expected = moments(values.x, channels);
      const f = (...given: tf.Tensor[]): tf.Tensor =>
        batchNormalize(given[0]!, given[1] as tf.Tensor1D, given[2] as tf.Tensor1D, relu, (statistics) => {
          expectClose(statistics.mean, expected.mean, 1e-6, 'mean', 1);
          expectClose(statistics.variance, expected.variance, 1e-5, 'variance');
        });
      expectClose(f(...inputs), normalized(values.x, values.gamma, values.beta, relu), 1e-5, 'y');
      const gradients = tf.grads(f)(inputs, tensorOf(upstream, shape));
      for (const [index, name] of (['x', 'gamma', 'beta'] as const).entries())
        expectClose(gradients[index]!, differences(name), 2e-5, `gradient to ${name}`, 0.1);
    });
  });

  test('a mean far larger than the deviation keeps its digits', () => {
    tf.tidy(() => {
      const x = randomValues(1, 4000, 999, 1001);
      const one = tf.ones<tf.Rank.R1>([4]);
      const y = batchNormalize(tensorOf(x, [1000, 4]), one, tf.zeros([4]), false, () => undefined);
      expectClose(y, normalized(x, new Float64Array(4).fill(1), new Float64Array(4), false), 1e-3, 'y');
    });
  });

  test('a constant channel gives β, and finite gradients', () => {
    tf.tidy(() => {
      const f = (x: tf.Tensor): tf.Tensor =>
        batchNormalize(x, tf.ones([2]), tf.tensor1d([0.25, 0.5]), true, () => undefined);
      const x = tf.fill([3, 2], 7);
      expect([...f(x).dataSync()]).toEqual([0.25, 0.5, 0.25, 0.5, 0.25, 0.5]);
      for (const value of tf.grad(f)(x).dataSync()) expect(value).toBeCloseTo(0, 5);
    });
  });

  test('by given statistics', () => {
    tf.tidy(() => {
      const statistics = { mean: tf.tensor1d([1, 2, 3]), variance: tf.tensor1d([4, 9, 0]) };
      const y = normalizeWith(
        tf.tensor2d([[3, -1, 3]]),
        tf.tensor1d([1, 1, 2]),
        tf.tensor1d([0, 0.5, 1]),
        true,
        statistics,
      );
      expectClose(y, Float64Array.of(2 / Math.sqrt(4.001), 0, 1), 1e-6, 'y');
    });
  });

  test('leaves no tensor behind', () => {
    const x = tf.variable(tf.randomNormal([8, 3, 3, 5], 0, 1, 'float32', 3));
    const gamma = tf.ones<tf.Rank.R1>([5]);
    const loss = (): tf.Scalar => tf.sum(batchNormalize(x, gamma, gamma, true, () => undefined));
    expectNoLeak(() => {
      tf.tidy(loss).dispose();
      const { value, grads } = tf.variableGrads(loss, [x]);
      tf.dispose([value, grads]);
    });
    tf.dispose([x, gamma]);
  });
});
