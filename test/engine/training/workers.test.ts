import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Network, resolveNetwork } from '../../../src/core/config/network.js';
import { configSchema } from '../../../src/core/config/schema.js';
import { DcnetError } from '../../../src/core/errors.js';
import { normals } from '../../../src/core/random.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import type { Split } from '../../../src/engine/data/dataSet.js';
import { imageTensor, labelTensor } from '../../../src/engine/data/images.js';
import { buildModel, type DcnetModel } from '../../../src/engine/model/model.js';
import { defaultWorkers, TrainingWorkers } from '../../../src/engine/parallel/trainingWorkers.js';
import { pass } from '../../../src/engine/training/step.js';
import { testBackend } from '../backends.js';
import { TinyProject } from './support.js';

const shape = [9, 8, 2] as const;
const classes = 3;
const count = 21;
const size = shape[0] * shape[1] * shape[2];
const split: Split = {
  count,
  images: Uint8Array.from(normals(count * size, 50, 1, 'images'), (v) => Math.min(255, Math.max(0, 128 + v))),
  labels: Uint8Array.from({ length: count }, (_, i) => i % classes),
};
const config = configSchema.parse({
  data: { idx: '.' },
  operator: { magnitude: 'tanh', angular: 'sigmoid', learnK: 'per-filter' },
  layers: [
    { type: 'conv', filters: 5 },
    { type: 'max-pool' },
    { type: 'conv', filters: 6, stride: 2, operator: { magnitude: 'seg', angular: 'cosine' } },
    { type: 'flatten' },
    { type: 'dense', units: 7, batchNorm: true, activation: 'relu' },
    { type: 'dense', units: classes },
  ],
  labelSmoothing: 0.1,
  weightDecay: 0.01,
});
const { network } = resolveNetwork(config, { shape, classes });
const build = (): DcnetModel =>
  buildModel(network!, { seed: config.seed, averageDecay: config.averageDecay });
const everyImage = Uint32Array.from({ length: count }, (_, i) => i);

/** Outcome, gradients and running averages of the whole batch by one thread. */
async function byOneThread(): Promise<number[][]> {
  const model = build();
  const x = imageTensor(split.images, shape, everyImage);
  const labels = labelTensor(split.labels, everyImage);
  const { outcome, gradients } = pass(model, x, labels, classes, config);
  return valuesOf(model, [outcome, ...gradients]);
}

function valuesOf(model: DcnetModel, tensors: readonly tf.Tensor[]): number[][] {
  const averages = [...model.tensors.values()].filter(({ trainable }) => !trainable);
  const values = [...tensors, ...averages].map((tensor) => [...tensor.dataSync()]);
  tf.dispose([...tensors]);
  model.dispose();
  return values;
}

async function byWorkers(workers: number): Promise<number[][]> {
  const model = build();
  const team = new TrainingWorkers(workers, model, network!, config);
  try {
    const { outcome, gradients } = await team.pass(split, everyImage);
    return valuesOf(model, [outcome, ...gradients]);
  } finally {
    await team.dispose();
  }
}

describe.skipIf(testBackend !== 'wasm')('workers that share a batch (of the wasm backend)', () => {
  beforeAll(() => startBackend('wasm'));

  it.each([
    ['lack of memory is told as the runtime’s words', 'memory access out of bounds', Error],
    ['other failure is told as an error of the engine', 'it met a bug', DcnetError],
  ])('%s', async (_, message, kind) => {
    const model = build();
    const team = new TrainingWorkers(2, model, network!, config);
    try {
      const passing = team.pass(split, everyImage);
      team.threads[0]!.emit('message', { type: 'failed', message });
      const failure: unknown = await passing.catch((thrown: unknown) => thrown);
      expect(failure).toHaveProperty('message', expect.stringContaining(message));
      expect((failure as Error).constructor).toBe(kind);
    } finally {
      await team.dispose();
      model.dispose();
    }
  });

  it('are as many as the machine’s cores where there is work for them', () => {
    const wide = { ...config, layers: [{ type: 'conv', filters: 64, kernel: 5 }, ...config.layers] };
    const { network: large } = resolveNetwork(configSchema.parse(wide), { shape: [96, 96, 3], classes });
    expect(defaultWorkers(64, network!)).toBe(1);
    expect(defaultWorkers(64, large!)).toBe(Math.min(os.availableParallelism(), 4));
    expect(defaultWorkers(20, large!)).toBe(1);
  });

  it.each([2, 3])(
    '%d compute the loss, the gradients and the running averages of one thread',
    async (workers) => {
      const expected = await byOneThread();
      const measured = await byWorkers(workers);
      expect(measured.length).toBe(expected.length);
      for (const [i, values] of expected.entries()) {
        const largest = Math.max(...values.map(Math.abs));
        for (const [j, value] of values.entries())
          expect(Math.abs(measured[i]![j]! - value)).toBeLessThan(2e-5 * Math.max(largest, 1e-2));
      }
    },
  );

  it('compute the same to the last bit again', async () => {
    expect(await byWorkers(3)).toEqual(await byWorkers(3));
  });

  it('leak no tensor', async () => {
    const model = build();
    const team = new TrainingWorkers(2, model, network!, config);
    const before = tf.memory().numTensors;
    for (let step = 0; step < 3; step++) {
      const { outcome, gradients } = await team.pass(split, everyImage);
      tf.dispose([outcome, ...gradients]);
    }
    expect(tf.memory().numTensors).toBe(before);
    await team.dispose();
    model.dispose();
  });

  it('fail each step with the reason when they cannot start, and hang nowhere', async () => {
    const model = build();
    const broken = { ...network!, layers: network!.layers.map((layer) => ({ ...layer, kernel: -1 })) };
    const team = new TrainingWorkers(2, model, broken as Network, config);
    const failure = {
      details: { code: 'engine', message: expect.stringContaining('A training worker failed') },
    };
    await expect(team.pass(split, everyImage)).rejects.toMatchObject(failure);
    await expect(team.pass(split, everyImage)).rejects.toMatchObject(failure);
    await team.dispose();
    model.dispose();
  });

  it('fail the step under way when one of them ends', async () => {
    const model = build();
    const team = new TrainingWorkers(2, model, network!, config);
    const { outcome, gradients } = await team.pass(split, everyImage);
    tf.dispose([outcome, ...gradients]);
    const failed = expect(team.pass(split, everyImage)).rejects.toMatchObject({
      details: { code: 'engine', message: expect.stringContaining('A training worker failed') },
    });
    await team.threads[1]!.terminate();
    await failed;
    await team.dispose();
    model.dispose();
  });

  it('train a run that can be stopped, resumed with their number, and is the same to the last bit', async () => {
    const project = await TinyProject.create('wasm');
    project.workers = 2;
    const whole = await project.train({}, { name: 'whole' });
    expect(whole.summary.status).toBe('completed');
    const halved = await project.train(
      {},
      { name: 'halved', onChange: ({ step }, queue, run) => void (step > 4 && queue.stop(run)) },
    );
    expect(halved.summary.status).toBe('stopped');
    project.workers = 1; // what is asked for now: the run keeps its own
    const resumed = await project.resume(halved.runDirectory);
    expect(resumed.status).toBe('completed');
    const environment = await readFile(path.join(halved.runDirectory, 'environment.json'), 'utf8');
    expect(JSON.parse(environment)).toMatchObject({ workers: 2 });
    const [a, b] = await Promise.all(
      [whole, halved].map(({ runDirectory }) => readFile(path.join(runDirectory, whole.summary.checkpoint!))),
    );
    expect(a!.equals(b!)).toBe(true);
  });
});
