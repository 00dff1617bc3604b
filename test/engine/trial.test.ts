import os from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, expect, test, vi } from 'vitest';
import { startBackend } from '../../src/engine/backend/backend.js';
import type { TrainingWorkers } from '../../src/engine/parallel/trainingWorkers.js';
import { takeTrial } from '../../src/engine/trial.js';
import { testBackend } from './backends.js';

const started: number[] = [];
vi.mock('../../src/engine/parallel/trainingWorkers.js', async (original) => {
  const actual = await original<{ TrainingWorkers: typeof TrainingWorkers }>();
  class Noted extends actual.TrainingWorkers {
    constructor(...given: ConstructorParameters<typeof TrainingWorkers>) {
      started.push(given[0]);
      super(...given);
    }
  }
  return { ...actual, TrainingWorkers: Noted };
});
afterEach(() => vi.restoreAllMocks());

test('a trial ends at the loss that others end at, too, computed by as many threads as a training has', async () => {
  vi.spyOn(os, 'availableParallelism').mockReturnValue(2);
  await startBackend(testBackend);
  const before = tf.memory().numTensors;
  const { imagesPerSecond, loss } = await takeTrial(testBackend);
  expect(imagesPerSecond).toBeGreaterThan(0);
  // One thread and two of WebAssembly, and TensorFlow: between 2.1309 and 2.1311; before the first step 2.30.
  expect(loss).toBeCloseTo(2.131, 3);
  expect(started).toEqual(testBackend === 'wasm' ? [2] : []);
  expect(tf.memory().numTensors).toBe(before);
}, 120_000);
