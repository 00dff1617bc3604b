import { appendFileSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { encode as encodePng } from 'fast-png';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseConfig, requireConfig } from '../../../src/core/config/parse.js';
import { shuffledOrder } from '../../../src/core/random.js';
import { parseMetrics } from '../../../src/core/run/metrics.js';
import {
  environmentSchema,
  type MetricsRecord,
  type RunState,
  runStateSchema,
  summarySchema,
} from '../../../src/core/run/run.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { readCheckpoint } from '../../../src/engine/checkpoint/checkpoint.js';
import { DataStore } from '../../../src/engine/data/dataStore.js';
import { imageTensor, labelTensor } from '../../../src/engine/data/images.js';
import { locateData } from '../../../src/engine/data/location.js';
import type { Split } from '../../../src/engine/data/split.js';
import { buildModel } from '../../../src/engine/model/model.js';
import { divergedError } from '../../../src/engine/training/diverged.js';
import { Meter } from '../../../src/engine/training/meter.js';
import { createOptimizer } from '../../../src/engine/training/optimizer.js';
import { learningRateAt } from '../../../src/engine/training/schedule.js';
import { pass } from '../../../src/engine/training/step.js';
import { backendNameSchema } from '../../../src/protocol/engine.js';
import { testBackend } from '../backends.js';
import { mediaDirectory, TinyProject } from './support.js';

let project: TinyProject;

beforeEach(async () => {
  project = await TinyProject.create();
});

const checkpoint = (run: string, name: string): Promise<Buffer> =>
  readFile(path.join(run, 'checkpoints', `${name}.dcnet.safetensors`));
const json = async (run: string, name: string): Promise<unknown> =>
  JSON.parse(await readFile(path.join(run, name), 'utf8'));
const metrics = async (run: string): Promise<readonly MetricsRecord[]> =>
  parseMetrics(await readFile(path.join(run, 'metrics.jsonl'), 'utf8')).records;

/** Steps of the tiny config: 60 images by 16 are 4 steps an epoch. */
const totalSteps = 12;

/** A clock in which every step takes a second, so that each is reported. */
function reportEveryStep(): void {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => {
    now += 1000;
    return now;
  });
}

/** Ask to stop when the step is reported: it is the last that is taken. */
function stopAt(step: number) {
  return (state: RunState, queue: { stop(run: string): Promise<unknown> }, run: string): void => {
    if (state.status === 'running' && state.step === step) void queue.stop(run);
  };
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a run', () => {
  it('learns, leaves its folder in order and no tensor behind', async () => {
    const states: RunState[] = [];
    const before = tf.memory().numTensors;
    const { runDirectory, summary } = await project.train(
      { epochs: 12 },
      { onChange: (state) => states.push(state) },
    );
    expect(tf.memory().numTensors).toBe(before);
    expect(summary).toMatchObject({
      name: 'tiny-001',
      status: 'completed',
      steps: 48,
      epochs: 12,
      backend: testBackend,
    });
    expect(summary.testAccuracy).toBeGreaterThan(0.7);
    expect(summary.checkpoint).toBe('checkpoints/epoch-0012.dcnet.safetensors');

    expect(await json(runDirectory, 'summary.json')).toEqual(JSON.parse(JSON.stringify(summary)));
    summarySchema.parse(await json(runDirectory, 'summary.json'));
    const state = runStateSchema.parse(await json(runDirectory, 'state.json'));
    expect(state).toMatchObject({ status: 'completed', step: 48, totalSteps: 48, epoch: 12, epochs: 12 });
    expect(state.pid).toBeUndefined();
    const environment = environmentSchema.parse(await json(runDirectory, 'environment.json'));
    expect(environment).toMatchObject({
      backend: testBackend,
      seed: 1,
      data: { name: 'data', trainImages: 60 },
    });
    const { name, version, device } = project.runtime;
    expect(environment.runtime).toMatchObject({ name, version, device });
    expect(environment.runtime?.others).toHaveLength(backendNameSchema.options.length - 1);
    expect(((await json(runDirectory, 'state.json')) as RunState).runtime).toEqual(environment.runtime);
    expect(environment.configFile).toBe(path.join(project.directory, 'tiny.dcnet.json'));
    expect(await readFile(path.join(runDirectory, 'config.dcnet.json'), 'utf8')).toBe(
      project.request({ epochs: 12 }).configText,
    );

    const records = await metrics(runDirectory);
    const epochs = records.filter((record) => record.type === 'epoch');
    expect(epochs.map(({ epoch, step }) => [epoch, step])).toEqual(
      Array.from({ length: 12 }, (_, i) => [i + 1, 4 * (i + 1)]),
    );
    expect(epochs[0]!.layers.map(({ name }) => name)).toEqual(['conv1', 'conv2']);
    expect(epochs[11]!.testAccuracy).toBe(summary.testAccuracy);
    // At least one step record an epoch.
    const steps = records.filter((record) => record.type === 'step');
    expect(new Set(steps.map(({ epoch }) => epoch)).size).toBe(12);
    expect(steps.at(-1)!.loss).toBeLessThan(steps[0]!.loss);
    expect(records.flatMap((record) => (record.type === 'event' ? [record.event] : []))).toEqual([
      'started',
      'completed',
    ]);
    expect(new Set(states.map(({ status }) => status))).toEqual(
      new Set(['preparing', 'running', 'completed']),
    );
  });

  it('keeps a checkpoint of each epoch, and the best', async () => {
    const { runDirectory, summary } = await project.train();
    expect((await readdir(path.join(runDirectory, 'checkpoints'))).sort()).toEqual(
      ['best', 'epoch-0001', 'epoch-0002', 'epoch-0003'].map((name) => `${name}.dcnet.safetensors`),
    );
    const best = `epoch-${String(summary.bestEpoch).padStart(4, '0')}`;
    expect((await checkpoint(runDirectory, 'best')).equals(await checkpoint(runDirectory, best))).toBe(true);
  });

  it('gives the same bytes for the same seed, and others for another', async () => {
    const [a, b] = [await project.train({}, { name: 'a' }), await project.train({}, { name: 'b' })];
    for (const name of ['epoch-0001', 'epoch-0003', 'best'])
      expect((await checkpoint(a.runDirectory, name)).equals(await checkpoint(b.runDirectory, name))).toBe(
        true,
      );
    const c = await project.train({ seed: 2 });
    expect(
      (await checkpoint(a.runDirectory, 'epoch-0001')).equals(await checkpoint(c.runDirectory, 'epoch-0001')),
    ).toBe(false);
  });

  it('gives the same weights when losses are read later, as on a device that computes meanwhile', async () => {
    const soon = await project.train();
    project.runtime = { ...project.runtime, name: 'tensorflow' };
    const late = await project.train();
    const weights = async (run: string) =>
      (await readCheckpoint(path.join(run, 'checkpoints', 'epoch-0003.dcnet.safetensors'))).tensors;
    expect(await weights(late.runDirectory)).toEqual(await weights(soon.runDirectory));
    const steps = (await metrics(late.runDirectory)).filter(({ type }) => type === 'step');
    expect(steps.at(-1)).toMatchObject({ step: totalSteps, loss: expect.any(Number) });
  });

  it.each([
    ['wasm', 1],
    ['tensorflow', 4],
    ['webgpu', 4],
  ] as const)(
    'on %s reads a loss after %d steps of an epoch’s 4: a device does not wait between them',
    async (name, steps) => {
      vi.spyOn(performance, 'now').mockReturnValue(0); // no report is due before the epoch's end
      const { add } = Meter.prototype;
      const { dataSync } = tf.Tensor.prototype;
      const unread = new Set<unknown>();
      let most = 0;
      vi.spyOn(Meter.prototype, 'add').mockImplementation(function (this: Meter, ...given) {
        unread.add(given[0]);
        most = Math.max(most, unread.size);
        Reflect.apply(add, this, given);
      });
      vi.spyOn(tf.Tensor.prototype, 'dataSync').mockImplementation(function (this: tf.Tensor) {
        unread.delete(this);
        return Reflect.apply(dataSync, this, []) as never;
      });
      project.runtime = { ...project.runtime, name };
      await project.train({ epochs: 2 });
      expect(most).toBe(steps);
      expect(unread.size).toBe(0);
    },
  );

  it('brings its decoupled filters to length 1 at the steps that the config says', async () => {
    reportEveryStep();
    const { runDirectory } = await project.train({}, { onChange: stopAt(5) });
    const lengths = async (name: string): Promise<number[]> => {
      const file = path.join(runDirectory, 'checkpoints', `${name}.dcnet.safetensors`);
      const { values } = (await readCheckpoint(file)).tensors.get('conv1/kernel')!;
      // [3, 3, 1, 4]: the filters are the last axis.
      return [0, 1, 2, 3].map((filter) => Math.hypot(...[...values].filter((_, i) => i % 4 === filter)));
    };
    for (const length of await lengths('step-00000005')) expect(Math.abs(length - 1)).toBeLessThan(1e-3);
    expect(Math.max(...(await lengths('epoch-0001')).map((length) => Math.abs(length - 1)))).toBeGreaterThan(
      0.01,
    );
  });

  it('takes the next free name, and refuses one that is taken or cannot be', async () => {
    expect((await project.train({ epochs: 1 })).summary.name).toBe('tiny-001');
    expect((await project.train({ epochs: 1 })).summary.name).toBe('tiny-002');
    const queue = project.queue();
    for (const [name, message] of [
      ['tiny-001', /already/],
      ['a/b', /letters/],
    ] as const)
      await expect(queue.start(project.request({}, name))).rejects.toMatchObject({
        details: { code: 'usage', message: expect.stringMatching(message) },
      });
  });

  it('checks config and data before anything is written', async () => {
    const queue = project.queue();
    await expect(
      queue.start(project.request({ layers: [{ type: 'dense', units: 4 }] })),
    ).rejects.toMatchObject({
      details: { code: 'config', file: project.request().configFile, line: 1, field: 'layers[0].type' },
    });
    await expect(queue.start(project.request({ data: { idx: 'nowhere' } }))).rejects.toMatchObject({
      details: { code: 'data', file: path.join(project.directory, 'nowhere') },
    });
    await expect(
      queue.start(project.request({ layers: [{ type: 'flatten' }, { type: 'dense', units: 7 }] })),
    ).rejects.toMatchObject({ details: { code: 'config' } });
    expect(await readdir(project.directory)).not.toContain('runs');
  });
});

describe('a run that is stopped', () => {
  it.each([
    [1, 'step-00000001'],
    [4, 'epoch-0001'],
    [7, 'step-00000007'],
  ])(
    'after %i steps leaves %s, and goes on to the same weights as one that ran through',
    async (step, name) => {
      reportEveryStep();
      const whole = await project.train();
      const { runDirectory, summary } = await project.train({}, { onChange: stopAt(step) });
      expect(summary).toMatchObject({
        status: 'stopped',
        steps: step,
        checkpoint: `checkpoints/${name}.dcnet.safetensors`,
      });
      expect(await json(runDirectory, 'state.json')).toMatchObject({ status: 'stopped', step });
      await checkpoint(runDirectory, name);

      const resumed = await project.resume(runDirectory);
      expect(resumed).toMatchObject({ status: 'completed', steps: totalSteps });
      expect(resumed.trainSeconds).toBeGreaterThan(summary.trainSeconds);
      for (const later of ['epoch-0002', 'epoch-0003'])
        expect(
          (await checkpoint(runDirectory, later)).equals(await checkpoint(whole.runDirectory, later)),
        ).toBe(true);
      const events = (await metrics(runDirectory)).flatMap((r) =>
        r.type === 'event' ? [[r.event, r.step]] : [],
      );
      expect(events).toEqual([
        ['started', 0],
        ['stopped', step],
        ['resumed', step],
        ['completed', totalSteps],
      ]);
    },
  );

  it('before its first step leaves no checkpoint, and starts over', async () => {
    const { runDirectory, summary } = await project.train({}, { onChange: stopAt(0) });
    expect(summary).toMatchObject({ status: 'stopped', steps: 0 });
    expect(await readdir(path.join(runDirectory, 'checkpoints'))).toEqual([]);
    expect(await project.resume(runDirectory)).toMatchObject({ status: 'completed', steps: totalSteps });
  });

  it('while its images are read gives that up, and starts over', async () => {
    const pictures = (...names: readonly string[]) => path.join(project.directory, 'pictures', ...names);
    for (const [split, count] of [
      ['train', 16],
      ['test', 2],
    ] as const)
      for (const name of ['a', 'b', 'c', 'd']) {
        await mkdir(pictures(split, name), { recursive: true });
        for (let i = 0; i < count; i++) {
          const data = Uint8Array.from({ length: 64 }, (_, at) => (at * i + name.charCodeAt(0) * 40) % 256);
          await writeFile(
            pictures(split, name, `${i}.png`),
            encodePng({ width: 8, height: 8, channels: 1, data }),
          );
        }
      }
    const ofPictures = { data: { images: 'pictures', color: 'grey' } };
    const statuses = new Set<string>();
    const { runDirectory, summary } = await project.train(ofPictures, {
      onChange: ({ status, reading }, queue, run) => {
        statuses.add(status);
        expect(status === 'preparing' || reading === undefined).toBe(true);
        if (status === 'preparing') void queue.stop(run);
      },
    });
    expect(summary).toMatchObject({ status: 'stopped', steps: 0 });
    expect(summary.error).toBeUndefined();
    expect(statuses).toEqual(new Set(['preparing', 'stopped']));
    expect(await project.resume(runDirectory)).toMatchObject({ status: 'completed' });
  });

  it('while it waits leaves the queue without a step', async () => {
    const queue = project.queue();
    const first = await queue.start(project.request({}, 'first'));
    const second = await queue.start(project.request({}, 'second'));
    const third = await queue.start(project.request({}, 'third'));
    expect([second, third].map(({ state }) => [state.status, state.queuePosition])).toEqual([
      ['queued', 1],
      ['queued', 2],
    ]);
    expect(await queue.stop(second.runDirectory)).toMatchObject({ status: 'stopped', step: 0 });
    expect(queue.list().map(({ state }) => [state.name, state.queuePosition])).toEqual([
      ['first', undefined],
      ['third', 1],
    ]);
    await queue.whenIdle();
    for (const [run, status] of [
      [first, 'completed'],
      [second, 'stopped'],
      [third, 'completed'],
    ] as const)
      expect(await json(run.runDirectory, 'state.json')).toMatchObject({ status });
    expect(await project.resume(second.runDirectory)).toMatchObject({
      status: 'completed',
      steps: totalSteps,
    });
  });

  it('by the end of its process goes on from its newest checkpoint, over the steps that were lost', async () => {
    const whole = await project.train({}, { name: 'whole' });
    const { runDirectory } = await project.train({}, { name: 'killed' });
    // As a process killed in the third epoch leaves it: a half-written line, a state that says running.
    await rm(path.join(runDirectory, 'checkpoints', 'epoch-0003.dcnet.safetensors'));
    await appendFile(path.join(runDirectory, 'metrics.jsonl'), '{"type":"step","st');
    const state = (await json(runDirectory, 'state.json')) as RunState;
    await writeFile(
      path.join(runDirectory, 'state.json'),
      JSON.stringify({ ...state, status: 'running', pid: 2 ** 22 + 1 }),
    );
    expect(await project.resume(runDirectory)).toMatchObject({ status: 'completed', steps: totalSteps });
    expect(
      (await checkpoint(runDirectory, 'epoch-0003')).equals(
        await checkpoint(whole.runDirectory, 'epoch-0003'),
      ),
    ).toBe(true);
    const records = await metrics(runDirectory);
    expect(records.some((record) => record.type === 'event' && record.event === 'resumed')).toBe(true);
    const steps = records.map(({ step }) => step);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
  });

  it('goes on with another runtime where that computes here, and its record says why', async () => {
    reportEveryStep();
    const { runDirectory } = await project.train({}, { onChange: stopAt(5) });
    const on = { backend: 'cpu', because: 'it had crashed twice' } as const;
    await expect(project.resume(runDirectory, { on })).rejects.toThrow(
      `This engine computes with ${testBackend}, not with cpu.`,
    );
    project.runtime = await startBackend('cpu');
    expect(await project.resume(runDirectory, { on })).toMatchObject({ status: 'completed', backend: 'cpu' });
    const resumed = (await metrics(runDirectory)).find(
      (record) => record.type === 'event' && record.event === 'resumed',
    );
    expect(resumed).toMatchObject({
      message: expect.stringMatching(
        new RegExp(`^cpu, .*; it was started on ${testBackend}; it had crashed twice$`),
      ),
    });
  });
});

describe('the steps of a run', () => {
  it('are those of a loop that takes each epoch’s batches in their order', async () => {
    reportEveryStep();
    const { runDirectory } = await project.train({}, { onChange: stopAt(6) });
    const file = path.join(runDirectory, 'checkpoints', 'step-00000006.dcnet.safetensors');
    const trained = (await readCheckpoint(file)).tensors;

    const data = await new DataStore().load(locateData({ idx: 'data' }, project.directory, mediaDirectory));
    const { shape, classes } = data.info;
    const { config, network } = requireConfig(project.request().configText, 'tiny', data.info);
    const model = buildModel(network!, config);
    const optimizer = createOptimizer(config.optimizer, model.trainable);
    for (let step = 0; step < 6; step++) {
      const order = shuffledOrder(data.train.count, 1, `order of epoch ${Math.floor(step / 4)}`);
      const quarter = data.train.count / 4;
      const batch = order.subarray((step % 4) * quarter, ((step % 4) + 1) * quarter);
      const rate = learningRateAt(config.schedule, 0.01, step, totalSteps);
      tf.tidy(() => {
        const x = imageTensor(data.train.images, shape, batch, network!.normalization);
        const labels = labelTensor(data.train.labels, batch);
        optimizer.apply(pass(model, x, labels, classes, config).gradients, rate);
      });
      if (step + 1 === 5) model.project();
    }
    for (const [name, variable] of model.tensors)
      expect([...variable.dataSync()], name).toEqual([...trained.get(name)!.values]);
    model.dispose();
    optimizer.dispose();
  });
});

describe('a run of so many steps', () => {
  const changes = {
    epochs: undefined,
    steps: 10,
    augmentation: { mirrorPad: 2, flip: true },
    loss: { epsilon: 1e-4 },
    normalization: { mean: 100, scale: 50 },
  };

  it('ends in the middle of an epoch with an evaluation and a checkpoint', async () => {
    const { runDirectory, summary } = await project.train(changes);
    expect(summary).toMatchObject({
      status: 'completed',
      steps: 10,
      epochs: 2,
      checkpoint: 'checkpoints/step-00000010.dcnet.safetensors',
    });
    expect(await json(runDirectory, 'state.json')).toMatchObject({
      step: 10,
      totalSteps: 10,
      stepsPerEpoch: 4,
      epoch: 3,
      epochs: 3,
    });
    expect((await readdir(path.join(runDirectory, 'checkpoints'))).sort()).toEqual(
      ['best', 'epoch-0001', 'epoch-0002', 'step-00000010'].map((name) => `${name}.dcnet.safetensors`),
    );
    const epochs = (await metrics(runDirectory)).filter((record) => record.type === 'epoch');
    expect(epochs.map(({ epoch, step }) => [epoch, step])).toEqual([
      [1, 4],
      [2, 8],
      [3, 10],
    ]);
    expect(epochs[2]!.testAccuracy).toBe(summary.testAccuracy);
  });

  it.each([3, 8, 9])(
    'stopped after %i goes on to the same bytes as one that ran through, augmentation included',
    async (step) => {
      reportEveryStep();
      const whole = await project.train(changes);
      const { runDirectory, summary } = await project.train(changes, { onChange: stopAt(step) });
      expect(summary).toMatchObject({ status: 'stopped', steps: step });
      expect(await project.resume(runDirectory)).toMatchObject({ status: 'completed', steps: 10 });
      const name = 'step-00000010';
      expect((await checkpoint(runDirectory, name)).equals(await checkpoint(whole.runDirectory, name))).toBe(
        true,
      );
    },
  );

  it('is refused where epochs are given too', async () => {
    await expect(project.queue().start(project.request({ steps: 10, epochs: 2 }))).rejects.toMatchObject({
      details: { code: 'config', field: 'steps' },
    });
  });
});

describe('a run on images that stay in their files', () => {
  /** The same data are found in the store, which has not read them into memory. */
  async function streamData(): Promise<Split> {
    project.dataStore = new DataStore();
    const location = locateData({ idx: 'data' }, project.directory, mediaDirectory);
    const { train } = await project.dataStore.load(location, { mostInMemory: 0 });
    expect(train.images).not.toBeInstanceOf(Uint8Array);
    return train;
  }

  it('is the same to the last bit', async () => {
    const changes = { augmentation: { mirrorPad: 1, flip: true } };
    const memory = await project.train(changes, { name: 'memory' });
    await streamData();
    const streamed = await project.train(changes, { name: 'streamed' });
    expect(streamed.summary.status).toBe('completed');
    for (const name of ['epoch-0001', 'epoch-0003'])
      expect(
        (await checkpoint(streamed.runDirectory, name)).equals(await checkpoint(memory.runDirectory, name)),
      ).toBe(true);
    const measured = async (run: string) =>
      (await metrics(run)).flatMap((record) =>
        record.type === 'epoch' ? [record.testLoss, record.testAccuracy] : [],
      );
    expect(await measured(streamed.runDirectory)).toEqual(await measured(memory.runDirectory));
  });

  /** Images in files: their reads, and how many had been read when the first kernel ran after that. */
  async function watchReading() {
    const { images } = await streamData();
    const reading = vi.spyOn(images as Required<typeof images>, 'readInto');
    let before: number | undefined;
    const engine = tf.engine();
    const runKernel = engine.runKernel.bind(engine);
    vi.spyOn(engine, 'runKernel').mockImplementation((...kernel) => {
      if (reading.mock.calls.length > 0) before ??= reading.mock.calls.length;
      return runKernel(...kernel);
    });
    return { reading, readBefore: () => before };
  }

  it.runIf(testBackend === 'wasm')('reads the next batch while this thread computes', async () => {
    const { reading, readBefore } = await watchReading();
    await project.train({ epochs: 1 });
    expect(readBefore()).toBe(2 * 15); // of the first and of the second of four batches of 60 images
    expect(reading).toHaveBeenCalledTimes(60);
  });

  it('reads the next batch once a device has its work, before anybody waits for it', async () => {
    // Where this thread computes, a device is but said to: what is queued for it is the same.
    if (testBackend === 'wasm') project.runtime = { ...project.runtime, name: 'webgpu' };
    const { reading, readBefore } = await watchReading();
    let readMeanwhile: number | undefined;
    const { applyGradients } = tf.MomentumOptimizer.prototype;
    vi.spyOn(tf.MomentumOptimizer.prototype, 'applyGradients').mockImplementation(function (
      this: tf.MomentumOptimizer,
      gradients,
    ) {
      readMeanwhile ??= reading.mock.calls.length;
      applyGradients.call(this, gradients);
    });
    await project.train({ epochs: 1, optimizer: { type: 'sgd', learningRate: 0.01 } });
    expect(readBefore()).toBe(15); // of the first of four batches of 60 images
    expect(readMeanwhile).toBe(2 * 15);
    expect(reading).toHaveBeenCalledTimes(60);
  });

  it('fails with the name of the file that is written into meanwhile', async () => {
    reportEveryStep();
    await streamData();
    const images = path.join(project.directory, 'data', 'train-images-idx3-ubyte');
    const { summary } = await project.train(
      {},
      {
        onChange: ({ status, step }) => {
          if (status === 'running' && step === 2) appendFileSync(images, 'x');
        },
      },
    );
    expect(summary).toMatchObject({
      status: 'failed',
      error: { code: 'data', file: images, message: expect.stringContaining('has changed') },
    });
  });
});

describe('a run that is held', () => {
  it('takes no step until it goes on, and its seconds stand still', async () => {
    const seen: string[] = [];
    const { runDirectory, summary } = await project.train(
      {},
      {
        onChange: (state, queue, run) => {
          if (state.status !== seen.at(-1)) seen.push(state.status);
          if (state.status === 'running' && !seen.includes('paused')) void queue.pause(run);
          if (state.status === 'paused') setTimeout(() => void queue.continue(run), 300);
        },
      },
    );
    expect(seen).toEqual(['preparing', 'running', 'paused', 'running', 'completed']);
    expect(summary.steps).toBe(totalSteps);
    const events = (await metrics(runDirectory)).flatMap((r) => (r.type === 'event' ? [r] : []));
    expect(events.map(({ event, step }) => [event, step])).toEqual([
      ['started', 0],
      ['paused', 0],
      ['continued', 0],
      ['completed', totalSteps],
    ]);
    const wall = (Date.parse(events[3]!.time) - Date.parse(events[0]!.time)) / 1000;
    expect(wall - summary.trainSeconds).toBeGreaterThan(0.25);
  });

  it('can be stopped while it holds', async () => {
    const { summary } = await project.train(
      {},
      {
        onChange: (state, queue, run) => {
          if (state.status === 'running') void queue.pause(run);
          if (state.status === 'paused') void queue.stop(run);
        },
      },
    );
    expect(summary.status).toBe('stopped');
  });
});

describe('a run that cannot go on', () => {
  /** Explodes within some steps. */
  const hopeless = {
    layers: [
      { type: 'conv', filters: 4, batchNorm: false, operator: 'inner-product' },
      {
        type: 'conv',
        filters: 4,
        batchNorm: false,
        operator: { magnitude: 'linear', angular: 'square-cosine' },
      },
      { type: 'global-average-pool' },
      { type: 'dense', units: 4 },
    ],
    optimizer: { type: 'sgd', learningRate: 100, momentum: 0.9 },
    schedule: { type: 'constant' },
    projection: undefined,
    weightDecay: 1,
    epochs: 20,
  };

  it('diverges with the step, the layer where it shows first, and what to try', async () => {
    const { runDirectory, summary } = await project.train(hopeless);
    expect(summary).toMatchObject({ status: 'failed', error: { code: 'diverged' } });
    expect(summary.error!.message).toMatch(/^Training diverged at step \d+: /);
    expect(summary.error!.remedy).toMatch(
      /lower learning rate \(100 → 10\).*batchNorm.*square-cosine.*bounded.*warm-up/,
    );
    expect(await json(runDirectory, 'state.json')).toMatchObject({
      status: 'failed',
      error: { code: 'diverged' },
    });
    expect((await metrics(runDirectory)).at(-1)).toMatchObject({ type: 'event', event: 'failed' });

    // Read later, the step is still the right one.
    const step = /step (\d+)/.exec(summary.error!.message)![1];
    project.runtime = { ...project.runtime, name: 'tensorflow' };
    const late = await project.train(hopeless);
    expect(late.summary.error!.message).toContain(`diverged at step ${step}:`);
  });

  it('names the first layer whose values are not finite', async () => {
    const input = { shape: [8, 8, 1], classes: 4 } as const;
    const { config, network } = parseConfig(project.request().configText, input);
    const model = buildModel(network!, { seed: 1, averageDecay: 0.9 });
    const x = tf.ones<tf.Rank.R4>([2, 8, 8, 1]);
    const told = () => divergedError(model, network!, config!, 7, Number.NaN, x).message;
    expect(told()).toMatch(/step 7: the loss is NaN, though every layer’s values are still finite/);
    const spoil = (name: string, value: number): void => {
      const variable = model.tensors.get(name)!;
      tf.tidy(() => variable.assign(tf.fill(variable.shape, value)));
    };
    // Each is finite, their product is not.
    spoil('conv2/batch_norm/gamma', 1e30);
    spoil('dense1/kernel', 1e30);
    expect(told()).toMatch(/: dense1 \(its output\) is the first place/);
    spoil('conv2/kernel', Number.NaN);
    expect(told()).toMatch(/: conv2 \(its tensor conv2\/kernel\) is the first place/);
    model.dispose();
    x.dispose();
  });

  it('fails by name when its data change before it is resumed', async () => {
    const { runDirectory } = await project.train({}, { onChange: stopAt(4) });
    const labels = path.join(project.directory, 'data', 'train-labels-idx1-ubyte');
    const bytes = await readFile(labels);
    bytes[8] = (bytes[8]! + 1) % 4;
    await writeFile(labels, bytes);
    expect(await project.resume(runDirectory)).toMatchObject({
      status: 'failed',
      error: {
        code: 'data',
        message: expect.stringMatching(/not the one that this checkpoint was trained on/),
      },
    });
  });

  it('is not resumed when it is complete, or when another process has it', async () => {
    const { runDirectory } = await project.train({ epochs: 1 });
    const queue = project.queue();
    await expect(queue.resume(runDirectory)).rejects.toMatchObject({
      details: { code: 'usage', message: /complete/ },
    });
    const state = (await json(runDirectory, 'state.json')) as RunState;
    await writeFile(
      path.join(runDirectory, 'state.json'),
      JSON.stringify({ ...state, status: 'running', pid: process.pid }),
    );
    await expect(queue.resume(runDirectory)).rejects.toMatchObject({
      details: { code: 'usage', message: /under way/ },
    });
    await expect(queue.resume(project.directory)).rejects.toMatchObject({
      details: { code: 'usage', message: /no run/ },
    });
  });
});
