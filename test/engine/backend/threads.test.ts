import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, expect, it, vi } from 'vitest';
import { resolveNetwork } from '../../../src/core/config/network.js';
import { configSchema } from '../../../src/core/config/schema.js';
import { normals } from '../../../src/core/random.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { Crew } from '../../../src/engine/backend/crew.js';
import { type KernelExports, kernelNames } from '../../../src/engine/backend/kernelCalls.js';
import { KernelModule } from '../../../src/engine/backend/kernelModule.js';
import { defaultThreads } from '../../../src/engine/backend/wasm.js';
import { imageTensor, labelTensor } from '../../../src/engine/data/images.js';
import { buildModel } from '../../../src/engine/model/model.js';
import { createOptimizer } from '../../../src/engine/training/optimizer.js';
import { pass } from '../../../src/engine/training/step.js';
import { describeOn } from '../backends.js';
import { failure } from '../failure.js';
import { TinyProject } from '../training/support.js';

const shape = [31, 33, 3] as const;
const classes = 10;
const count = 13;
const images = Uint8Array.from(normals(count * 31 * 33 * 3, 50, 1, 'images'), (v) =>
  Math.min(255, Math.max(0, 128 + v)),
);
const labels = Uint8Array.from({ length: count }, (_, i) => i % classes);
/** Of every kernel that threads share: with tiles and without, with one pixel, with many weights. */
const config = configSchema.parse({
  data: { idx: '.' },
  operator: { magnitude: 'tanh', angular: 'sigmoid', learnK: 'per-filter' },
  layers: [
    { type: 'conv', filters: 24 },
    { type: 'conv', filters: 96, operator: { magnitude: 'tanh', angular: 'cosine' } },
    { type: 'max-pool' },
    { type: 'conv', filters: 31, stride: 2, operator: 'inner-product', batchNorm: true },
    { type: 'conv', filters: 96, kernel: 5, operator: { magnitude: 'seg', angular: 'linear' } },
    { type: 'flatten' },
    { type: 'dense', units: 64, operator: { magnitude: 'ball', angular: 'cosine' }, batchNorm: true },
    { type: 'dense', units: classes },
  ],
});
const { network, problems } = resolveNetwork(config, { shape: [...shape], classes });
const every = Uint32Array.from({ length: count }, (_, i) => i);

afterEach(() => vi.restoreAllMocks());

/** Two steps of a training, and the scores of what was trained: all that comes out. */
async function trained(threads: number): Promise<number[][]> {
  await startBackend('wasm', 'fp32', threads);
  const model = buildModel(network!, config);
  const optimizer = createOptimizer(config.optimizer, model.trainable);
  const x = imageTensor(images, [...shape], every, model.normalization);
  const answers = labelTensor(labels, every);
  const found: number[][] = [];
  const keep = (tensors: Iterable<tf.Tensor>) => {
    for (const tensor of tensors) found.push([...tensor.dataSync()]);
  };
  for (let step = 0; step < 2; step++) {
    const { outcome, gradients } = pass(model, x, answers, classes, config);
    keep([outcome, ...gradients]);
    optimizer.apply(gradients, 1e-2);
    tf.dispose([outcome, ...gradients]);
  }
  keep([...model.tensors.values()]);
  const scores = tf.tidy(() => model.predict(x));
  keep([scores]);
  tf.dispose([x, answers, scores]);
  model.dispose();
  optimizer.dispose();
  return found;
}

describeOn('wasm', 'threads that share the kernels', () => {
  it('give what one thread gives, to the last bit', async () => {
    expect(problems).toEqual([]);
    const jobs = vi.spyOn(Crew.prototype, 'run');
    const alone = await trained(1);
    expect(jobs).not.toHaveBeenCalled();
    expect(await trained(2)).toEqual(alone);
    const kernels = new Set(jobs.mock.calls.flatMap(([, tasks]) => tasks.flat().map(([name]) => name)));
    // All but those that count for an inspection.
    const shared = kernelNames.filter((name) => name !== 'countPairs' && name !== 'sumResponses');
    expect([...kernels].sort()).toEqual(shared);
    expect(await trained(3)).toEqual(alone);
  }, 60_000);

  it('are as many as the machine has cores, and not more than serve', () => {
    vi.spyOn(os, 'availableParallelism').mockReturnValue(3);
    expect(defaultThreads()).toBe(3);
    vi.spyOn(os, 'availableParallelism').mockReturnValue(64);
    expect(defaultThreads()).toBe(8);
  });

  it('are told with the device', async () => {
    expect((await startBackend('wasm', 'fp32', 2)).device).toMatch(/\), 2 threads$/);
    expect((await startBackend('wasm')).device).toMatch(/\), one thread$/);
  });

  it('go on with a run that others have begun, to the last bit', async () => {
    const project = await TinyProject.create('wasm');
    await project.useThreads(3);
    const whole = await project.train({}, { name: 'whole' });
    await project.useThreads(2);
    const halved = await project.train(
      {},
      { name: 'halved', onChange: ({ step }, queue, run) => void (step > 4 && queue.stop(run)) },
    );
    expect(halved.summary.status).toBe('stopped');
    const read = (run: string, file: string) => readFile(path.join(run, file));
    const environment = JSON.parse(String(await read(halved.runDirectory, 'environment.json')));
    expect(environment).toMatchObject({ workers: 2 });
    await project.useThreads(1);
    expect((await project.resume(halved.runDirectory)).status).toBe('completed');
    const [a, b] = await Promise.all(
      [whole, halved].map(({ runDirectory }) => read(runDirectory, whole.summary.checkpoint!)),
    );
    expect(a!.equals(b!)).toBe(true);
  });
});

describeOn('wasm', 'a job of tasks', () => {
  /** Floats in the backend's memory, and a module of its own with two threads. */
  async function moduleOf(): Promise<{ module: KernelModule; values: tf.Tensor1D; at: number }> {
    await startBackend('wasm');
    const binary = await readFile(path.join(import.meta.dirname, '../../../dist/wasm/dcnet-kernels.wasm'));
    const module = KernelModule.load(new Uint8Array(binary));
    module.useThreads(2);
    const values = tf.zeros<tf.Rank.R1>([4096]);
    const { memoryOffset: at } = (tf.backend() as BackendWasm).dataIdMap.get(values.dataId);
    return { module, values, at };
  }

  it('runs each task once, however many there are', async () => {
    const { module, values, at } = await moduleOf();
    const one = tf.ones([1]);
    const oneAt = module.address(one);
    // Each adds 1 to a value of its own: out = x·1 + 1.
    const tasks = Array.from(
      { length: 3000 },
      (_, i) => [['channelAffine', 1, 1, at + 4 * i, oneAt, oneAt, 0, at + 4 * i]] as const,
    );
    for (let round = 0; round < 20; round++) module.run(tasks);
    const found = values.dataSync();
    expect(found.slice(0, 3000).every((value) => value === 20)).toBe(true);
    expect(found.slice(3000).every((value) => value === 0)).toBe(true);
    tf.dispose([values, one]);
  });

  it('throws where a kernel fails, in whichever thread, and the next one runs', async () => {
    const { module, values, at } = await moduleOf();
    const beyond = 2 ** 32 - 64;
    const bad = ['channelAffine', 1000, 64, beyond, at, at, 0, beyond] as const;
    expect(() => module.run(Array.from({ length: 64 }, () => [bad]))).toThrow();
    const one = tf.ones([1]);
    const good = ['channelAffine', 1, 1, at, module.address(one), module.address(one), 0, at] as const;
    module.run([[good], []]);
    expect(values.dataSync()[0]).toBe(1);
    tf.dispose([values, one]);
  });
});

describeOn('wasm', 'a crew', () => {
  /** Of this thread and one more, whose kernels are of this module and work in the backend's memory. */
  function crewOf(compiled: WebAssembly.Module, table: number): Crew {
    const { wasm } = tf.backend() as unknown as { wasm: { asm: { memory: WebAssembly.Memory } } };
    return new Crew(compiled, wasm.asm.memory, [table]);
  }
  /** Of this thread: they take a while and do nothing. */
  const asleep = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const idle = new Proxy({} as KernelExports, { get: () => () => void Atomics.wait(asleep, 0, 0, 10) });
  const beyond = 2 ** 32 - 64;
  const bad = [['channelAffine', 1000, 64, beyond, beyond, beyond, 0, beyond]] as const;
  const job = async (crew: Crew) => crew.run(idle, [bad, bad, bad], [0, 0]);

  it('tells what a kernel of another thread threw', async () => {
    await startBackend('wasm');
    const binary = await readFile(path.join(import.meta.dirname, '../../../dist/wasm/dcnet-kernels.wasm'));
    const constants = tf.zeros([4096]);
    const { memoryOffset } = (tf.backend() as BackendWasm).dataIdMap.get(constants.dataId);
    const crew = crewOf(new WebAssembly.Module(new Uint8Array(binary)), memoryOffset);
    // Not before the thread has started: until then this one does all.
    await vi.waitFor(
      () => expect(job(crew)).rejects.toThrow('in another thread: memory access out of bounds'),
      { timeout: 20_000 },
    );
    constants.dispose();
  }, 30_000);

  it('does no job any more once a thread has ended, and tells why, and what to do', async () => {
    await startBackend('wasm');
    const empty = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    const crew = crewOf(empty, 0);
    await job(crew);
    const { code, message, remedy } = await vi.waitFor(() => failure(job(crew)), { timeout: 20_000 });
    expect([code, message]).toEqual(['backend', expect.stringMatching(/ has ended: .*placeConstants/)]);
    expect(remedy).toMatch(/--workers 1.*dcnet\.workers/);
  }, 30_000);
});
