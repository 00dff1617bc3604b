import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { normEpsilon, patchNorms } from '../../../src/engine/operator/patchNorms.js';
import { testBackends } from '../backends.js';
import { expectClose, expectNoLeak } from '../tensors.js';

describe.each(testBackends)('patchNorms on %s', (backend) => {
  beforeAll(async () => {
    await startBackend(backend);
  });

  test('worked by hand: same padding of an even kernel puts its zero row and column after the image', () => {
    tf.tidy(() => {
      const x = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 3, 3, 1]);
      const window = { kernel: 2, stride: 1, padding: 'same' } as const;
      const squares = [
        1 + 4 + 16 + 25,
        4 + 9 + 25 + 36,
        9 + 36,
        16 + 25 + 49 + 64,
        25 + 36 + 64 + 81,
        36 + 81,
        49 + 64,
        64 + 81,
        81,
      ];
      const norms = patchNorms(x, window, 0);
      expect(norms.shape).toEqual([1, 3, 3, 1]);
      expectClose(norms, Float64Array.from(squares, Math.sqrt), 1e-6, 'norms');
      const regularised = Float64Array.from(squares, (square) => Math.sqrt(square + 1e-4));
      expectClose(patchNorms(x, window, normEpsilon), regularised, 1e-6, 'norms with ε');
    });
  });

  test('stride 2 valid, two channels; zero patches measure exactly 0 and have finite gradients', () => {
    tf.tidy(() => {
      const x = tf.tensor4d([0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 12], [1, 1, 6, 2]);
      const measure = (image: tf.Tensor): tf.Tensor =>
        patchNorms(image as tf.Tensor4D, { kernel: 1, stride: 2, padding: 'valid' }, 0);
      expect([...measure(x).dataSync()]).toEqual([0, 5, 0]);
      const gradient = [...tf.grad(measure)(x).dataSync()];
      [0, 0, 0, 0, 0.6, 0.8, 0, 0, 0, 0, 0, 0].forEach((expected, index) => {
        expect(gradient[index]).toBeCloseTo(expected, 6);
      });
    });
  });

  test('leaves no tensor behind', () => {
    const x = tf.ones<tf.Rank.R4>([2, 5, 5, 3]);
    const measure = (image: tf.Tensor): tf.Tensor =>
      patchNorms(image as tf.Tensor4D, { kernel: 3, stride: 2, padding: 'same' }, normEpsilon);
    expectNoLeak(() => {
      measure(x).dispose();
      tf.grad(measure)(x).dispose();
    });
    x.dispose();
  });
});
