import { readFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it, vi } from 'vitest';
import { multiplyAdds } from '../../../src/core/config/multiplyAdds.js';
import { type Network, resolveNetwork } from '../../../src/core/config/network.js';
import { layersOf } from '../../../src/core/config/presets/layersOf.js';
import { configSchema } from '../../../src/core/config/schema.js';
import { type AdversarialConfig, adversarialSchema } from '../../../src/core/config/trainingSchema.js';
import { DcnetError } from '../../../src/core/errors.js';
import { normals } from '../../../src/core/random.js';
import type { RunState } from '../../../src/core/run/run.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import type { DataSet } from '../../../src/engine/data/dataSet.js';
import { imageTensor, labelTensor } from '../../../src/engine/data/images.js';
import { batchFrom, type Split } from '../../../src/engine/data/split.js';
import { buildModel, type DcnetModel } from '../../../src/engine/model/model.js';
import {
  defaultEvaluationWorkers,
  defaultWorkers,
  TrainingWorkers,
} from '../../../src/engine/parallel/trainingWorkers.js';
import { accumulate } from '../../../src/engine/training/accumulate.js';
import { adversarialBatch } from '../../../src/engine/training/adversarialBatch.js';
import { evaluateSplit } from '../../../src/engine/training/evaluate.js';
import type { RunQueue } from '../../../src/engine/training/runQueue.js';
import { describeOn } from '../backends.js';
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
  loss: { epsilon: 1e-3 },
  normalization: { mean: [120, 90], scale: [128, 64] },
  weightDecay: 0.01,
});
const { network } = resolveNetwork(config, { shape, classes });
const build = (): DcnetModel =>
  buildModel(network!, { seed: config.seed, averageDecay: config.averageDecay });
const everyImage = Uint32Array.from({ length: count }, (_, i) => i);
const batch = await batchFrom(split, everyImage);
/** Finished steps: an attack's random start depends on them. */
const step = 7;
/** No signs of gradients, which rounding may turn. */
const pgd = adversarialSchema.parse({ attack: 'pgd', norm: 'l2', epsilon: 200, steps: 2, share: 0.5 });

/** Outcome, gradients and running averages of the whole batch by one thread. */
async function byOneThread(parts = 1, adversarial?: AdversarialConfig): Promise<number[][]> {
  const model = build();
  const clean = imageTensor(split.images, shape, everyImage, network!.normalization);
  const labels = labelTensor(split.labels, everyImage);
  const place = { step, from: 0, seed: config.seed };
  const x =
    adversarial === undefined
      ? clean
      : await adversarialBatch(model, clean, labels, adversarial, place, count);
  const { outcome, gradients } = accumulate(model, x, labels, classes, config, parts);
  return valuesOf(model, [outcome, ...gradients]);
}

function valuesOf(model: DcnetModel, tensors: readonly tf.Tensor[]): number[][] {
  const averages = [...model.tensors.values()].filter(({ trainable }) => !trainable);
  const values = [...tensors, ...averages].map((tensor) => [...tensor.dataSync()]);
  tf.dispose([...tensors]);
  model.dispose();
  return values;
}

const stopAfter =
  (last: number) =>
  ({ step }: RunState, queue: RunQueue, run: string): void =>
    void (step > last && queue.stop(run));

async function byWorkers(workers: number, parts = 1, adversarial?: AdversarialConfig): Promise<number[][]> {
  const model = build();
  const team = new TrainingWorkers(workers, model, network!, { ...config, adversarial });
  try {
    const { outcome, gradients } = await team.pass(batch, { step, parts });
    return valuesOf(model, [outcome, ...gradients]);
  } finally {
    await team.dispose();
  }
}

describeOn('wasm', 'workers that share a batch', () => {
  beforeAll(() => startBackend('wasm'));

  it.each([
    ['lack of memory is told as the runtime’s words', 'memory access out of bounds', Error],
    ['other failure is told as an error of the engine', 'it met a bug', DcnetError],
  ])('%s', async (_, message, kind) => {
    const model = build();
    const team = new TrainingWorkers(2, model, network!, config);
    try {
      const passing = team.pass(batch);
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
    const first = { type: 'conv', filters: 64, kernel: 5 };
    const wide = { ...config, normalization: {}, layers: [first, ...layersOf(config)] };
    const { network: large } = resolveNetwork(configSchema.parse(wide), { shape: [96, 96, 3], classes });
    expect(defaultWorkers(64, network!)).toBe(1);
    expect(defaultWorkers(64, large!)).toBe(Math.min(os.availableParallelism(), 4));
    expect(defaultWorkers(20, large!)).toBe(1);
  });

  it('share an evaluation that is large enough', () => {
    const madds = multiplyAdds(network!);
    const enough = Math.ceil(20e9 / madds);
    expect(defaultEvaluationWorkers(enough, network!)).toBe(Math.min(os.availableParallelism(), 2));
    expect(defaultEvaluationWorkers(enough / 4, network!)).toBe(1);
  });

  it.each([1, 2, 21])('give one thread’s scores, to the last bit, of %d images', async (images) => {
    const model = build();
    const team = new TrainingWorkers(2, model, network!, config);
    const indices = everyImage.slice(-images).reverse();
    const x = imageTensor(split.images, shape, indices, network!.normalization);
    const expected = tf.tidy(() => model.predict(x)).dataSync();
    expect(await team.predict(await batchFrom(split, indices))).toEqual(Float32Array.from(expected));
    const data = { info: { shape, classes }, test: split } as unknown as DataSet;
    expect(await evaluateSplit(model, data, 'test', { workers: team })).toEqual(
      await evaluateSplit(model, data, 'test'),
    );
    await team.dispose();
    model.dispose();
    x.dispose();
  });

  it.each([
    [2, 1, undefined],
    [3, 1, undefined],
    [2, 2, undefined],
    [3, 4, undefined],
    [3, 2, pgd],
  ])(
    '%d compute the loss, the gradients and the running averages of one thread, in parts: %d; attacked: %j',
    async (workers, parts, adversarial) => {
      const expected = await byOneThread(parts, adversarial);
      const measured = await byWorkers(workers, parts, adversarial);
      if (adversarial !== undefined) expect(expected).not.toEqual(await byOneThread(parts));
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
      const { outcome, gradients } = await team.pass(batch);
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
    await expect(team.pass(batch)).rejects.toMatchObject(failure);
    await expect(team.pass(batch)).rejects.toMatchObject(failure);
    await team.dispose();
    model.dispose();
  });

  it('fail the step under way when one of them ends', async () => {
    const model = build();
    const team = new TrainingWorkers(2, model, network!, config);
    const { outcome, gradients } = await team.pass(batch);
    tf.dispose([outcome, ...gradients]);
    const failed = expect(team.pass(batch)).rejects.toMatchObject({
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
    const halved = await project.train({}, { name: 'halved', onChange: stopAfter(4) });
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

  it('share each part of a batch that is computed in parts', async () => {
    const project = await TinyProject.create('wasm');
    project.workers = 2;
    const { runDirectory, summary } = await project.train({}, { onChange: stopAfter(4) });
    expect(summary.status).toBe('stopped');
    const file = path.join(runDirectory, 'state.json');
    const failed = { status: 'failed', error: { code: 'memory', message: 'No room.', remedy: 'Less.' } };
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), ...failed }));
    const pass = vi.spyOn(TrainingWorkers.prototype, 'pass');
    const resumed = await project.resume(runDirectory, { halve: true });
    expect(resumed).toMatchObject({ status: 'completed', batch: { parts: 2 } });
    expect(pass.mock.calls.length).toBeGreaterThan(0);
    expect(pass.mock.calls.every(([, how]) => how?.parts === 2)).toBe(true);
    expect(pass.mock.contexts.every((team) => (team as TrainingWorkers).count === 2)).toBe(true);
    pass.mockRestore();
  });
});
