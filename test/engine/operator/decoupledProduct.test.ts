import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { decoupledProduct } from '../../../src/engine/operator/decoupledProduct.js';
import { testBackends } from '../backends.js';

describe.each(testBackends)('decoupledProduct on %s', (backend) => {
  beforeAll(async () => {
    await startBackend(backend);
  });

  test.each(['linear', 'sigmoid'] as const)(
    '%s: cosines at and, by rounding, beyond ±1 are finite',
    (angular) => {
      tf.tidy(() => {
        const projections = [1, 1 + 2e-6, -1, -1 - 2e-6].map((cosine) => 2 * cosine);
        const norms = tf.fill<tf.Rank.R4>([1, 1, 1, 1], 2);
        const k = tf.tensor1d([0.3]);
        const apply = (projection: tf.Tensor, n: tf.Tensor, temperature: tf.Tensor): tf.Tensor =>
          decoupledProduct(
            {
              projection: projection as tf.Tensor4D,
              norms: n as tf.Tensor4D,
              radius: undefined,
              k: angular === 'sigmoid' ? (temperature as tf.Tensor1D) : undefined,
            },
            { magnitude: 'sphere', angular, alpha: 1, beta: 0 },
          );
        const projection = tf.tensor4d(projections, [1, 1, 1, 4]);
        const y = [...apply(projection, norms, k).dataSync()];
        for (const [index, expected] of [1, 1, -1, -1].entries()) {
          expect(Math.abs(y[index]! - expected)).toBeLessThan(1e-3);
          expect(Math.abs(y[index]!)).toBeLessThanOrEqual(1);
        }
        // The slope of arcsin is capped at its value at 1 − 1e-7, some 2,000 to 2,900 by float32's rounding.
        const inputs = angular === 'sigmoid' ? [projection, norms, k] : [projection, norms];
        const f = (...given: tf.Tensor[]): tf.Tensor => apply(given[0]!, given[1]!, given[2] ?? k);
        for (const gradient of tf.grads(f)(inputs)) {
          for (const value of gradient.dataSync()) {
            expect(Number.isFinite(value)).toBe(true);
            expect(Math.abs(value)).toBeLessThan(3000);
          }
        }
      });
    },
  );
});
