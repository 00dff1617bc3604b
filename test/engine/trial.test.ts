import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { startBackend } from '../../src/engine/backend/backend.js';
import { takeTrial } from '../../src/engine/trial.js';
import { testBackend } from './backends.js';

test('a trial ends at the loss that others end at, too', async () => {
  await startBackend(testBackend);
  const before = tf.memory().numTensors;
  const { imagesPerSecond, loss } = await takeTrial(testBackend);
  expect(imagesPerSecond).toBeGreaterThan(0);
  // WebAssembly, and TensorFlow: between 2.1309 and 2.1311; before the first step 2.30.
  expect(loss).toBeCloseTo(2.131, 3);
  expect(tf.memory().numTensors).toBe(before);
}, 120_000);
