import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { startBackend } from '../../../src/engine/backend/backend.js';
import type { Batch } from '../../../src/engine/training/batches.js';
import { Meter } from '../../../src/engine/training/meter.js';

beforeAll(() => startBackend('cpu'));

function batchOf(images: number, label: number): Batch {
  const labels = new Uint8Array(images).fill(label);
  return { indices: new Uint32Array(images), images: new Uint8Array(), labels };
}

it.each([1, 3, 16])('read every %i steps, the meter gives means and each loss with its step', (readEvery) => {
  const before = tf.memory().numTensors;
  const checked: [number, number, number][] = [];
  const meter = new Meter(readEvery, (loss, step, batch) => checked.push([step, loss, batch.labels[0]!]));
  for (const [i, [loss, correct, images]] of [
    [4, 1, 2],
    [2, 3, 4],
    [3, 2, 2],
    [1, 2, 4],
  ].entries()) {
    meter.begin();
    meter.add(tf.tensor1d([loss!, correct!]), i + 1, batchOf(images!, 10 * i));
    meter.end();
  }
  expect(meter.take()).toMatchObject({ loss: 2.5, accuracy: 8 / 12 });
  expect(checked).toEqual([
    [1, 4, 0],
    [2, 2, 10],
    [3, 3, 20],
    [4, 1, 30],
  ]);
  expect(meter.images).toBe(12);
  meter.add(tf.tensor1d([7, 1]), 5, batchOf(2, 0));
  expect(meter.take()).toMatchObject({ loss: 7, accuracy: 0.5 });
  expect(tf.memory().numTensors).toBe(before);
});
