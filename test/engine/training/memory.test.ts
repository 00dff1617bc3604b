import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { resolveNetwork } from '../../../src/core/config/network.js';
import { configSchema } from '../../../src/core/config/schema.js';
import { DcnetError } from '../../../src/core/errors.js';
import { normals } from '../../../src/core/random.js';
import { halvedBatch } from '../../../src/core/run/batchParts.js';
import { buildModel } from '../../../src/engine/model/model.js';
import { accumulate } from '../../../src/engine/training/accumulate.js';
import { isOutOfMemory } from '../../../src/engine/training/outOfMemory.js';
import * as step from '../../../src/engine/training/step.js';
import { testBackend } from '../backends.js';
import { takeMemory } from '../wasmMemory.js';
import { TinyProject } from './support.js';

/** More images at a time than this do not fit, while it is set. */
const limit = vi.hoisted(() => ({
  images: Number.POSITIVE_INFINITY,
  error: new Error('OOM when allocating'),
}));

vi.mock('../../../src/engine/training/step.js', async (original) => {
  const real = await original<typeof step>();
  return {
    ...real,
    pass: (...args: Parameters<typeof real.pass>) => {
      // After the pass: the running averages have taken their step, as they have when a gradient does not fit.
      const result = real.pass(...args);
      if (args[1].shape[0] > limit.images) throw limit.error;
      return result;
    },
  };
});

let project: TinyProject;

beforeEach(async () => {
  project = await TinyProject.create();
});
afterEach(() => {
  limit.images = Number.POSITIVE_INFINITY;
});

const json = async (...parts: string[]) => JSON.parse(await readFile(path.join(...parts), 'utf8'));
const checkpoint = (run: string, name: string): Promise<Buffer> =>
  readFile(path.join(run, 'checkpoints', `${name}.dcnet.safetensors`));

describe('a batch in parts', () => {
  const classes = 4;
  const images = 7;
  const config = configSchema.parse({
    data: { idx: 'data' },
    operator: { magnitude: 'tanh', angular: 'sigmoid', radius: 'fixed', learnK: 'per-filter' },
    layers: [
      { type: 'conv', filters: 5, batchNorm: false },
      { type: 'conv', filters: 6, stride: 2, batchNorm: false, operator: 'inner-product' },
      { type: 'global-average-pool' },
      { type: 'dense', units: classes },
    ],
    labelSmoothing: 0.05,
    weightDecay: 0.01,
  });

  it.each([2, 3, 7, 50])('has the gradients of the whole: %d parts of 7 images', (parts) => {
    const { network } = resolveNetwork(config, { shape: [8, 8, 1], classes });
    const model = buildModel(network!, { seed: 3, averageDecay: 0.9 });
    const x = tf.tensor4d(normals(images * 64, 1, 1, 'images'), [images, 8, 8, 1]);
    const labels = tf.tensor1d([0, 1, 2, 3, 3, 1, 0], 'int32');
    const whole = step.pass(model, x, labels, classes, config);
    const before = tf.memory().numTensors;
    const inParts = accumulate(model, x, labels, classes, config, parts);
    expect(tf.memory().numTensors - before).toBe(1 + whole.gradients.length);
    const pairs = [
      [whole.outcome, inParts.outcome],
      ...whole.gradients.map((gradient, i) => [gradient, inParts.gradients[i]!] as const),
    ] as const;
    for (const [expected, found] of pairs) {
      const values = found.dataSync();
      const size = Math.max(...expected.dataSync().map(Math.abs));
      expect(size).toBeGreaterThan(0);
      expected.dataSync().forEach((value, i) => {
        expect(Math.abs(values[i]! - value)).toBeLessThan(2e-6 * Math.max(1, size));
      });
    }
    tf.dispose([x, labels, whole.outcome, inParts.outcome, ...whole.gradients, ...inParts.gradients]);
    model.dispose();
  });

  it('is halved until there is one image at a time', () => {
    expect(halvedBatch({ images: 6, parts: 1 })).toEqual({ images: 6, parts: 2 });
    expect(halvedBatch({ images: 6, parts: 4 })).toEqual({ images: 6, parts: 6 });
    expect(halvedBatch({ images: 6, parts: 6 })).toBeUndefined();
  });
});

describe('a step that does not fit into memory', () => {
  it.each([
    'OOM when allocating tensor with shape[64,32,32,256] and type float',
    'RESOURCE_EXHAUSTED: failed to allocate memory',
    'memory access out of bounds',
    'Cannot enlarge memory, asked to go up to 4294967296 bytes',
    'GPUOutOfMemoryError: Out of memory',
    'createBuffer failed to allocate a buffer mapped at creation.',
  ])('is known by its words: %s', (message) => {
    expect(isOutOfMemory(new Error(message))).toBe(true);
  });

  it('is known by its code, where it has one', () => {
    const told = (code: 'memory' | 'backend') =>
      new DcnetError({ code, message: 'VK_ERROR_OUT_OF_DEVICE_MEMORY, out of memory', remedy: '' });
    expect(isOutOfMemory(told('memory'))).toBe(true);
    expect(isOutOfMemory(told('backend'))).toBe(false);
  });

  it('is not taken for another failure', () => {
    expect(isOutOfMemory(new Error('The shapes do not match.'))).toBe(false);
  });

  it('fails the run with advice; halved, it is the run that it would have been in parts from the start', async () => {
    limit.images = 8;
    limit.error = new Error('OOM when allocating tensor with shape[16,8,8,4]');
    const { runDirectory, summary } = await project.train();
    expect(summary).toMatchObject({
      status: 'failed',
      steps: 0,
      batch: { images: 16, parts: 1 },
      error: {
        code: 'memory',
        message: expect.stringMatching(
          /^The training did not fit into the memory of .*, with 16 images at a time \(OOM when allocating/,
        ),
        remedy: expect.stringContaining('--on-memory halve'),
      },
    });
    expect(await json(runDirectory, 'state.json')).toMatchObject({
      status: 'failed',
      error: { code: 'memory' },
    });

    const halved = await project.resume(runDirectory, { halve: true });
    expect(halved).toMatchObject({ status: 'completed', steps: 12, batch: { images: 16, parts: 2 } });
    expect(halved.error).toBeUndefined();
    const log = await readFile(path.join(runDirectory, 'metrics.jsonl'), 'utf8');
    expect(log).toContain('each batch in 2 parts of 8 images');

    // The failed step has left nothing behind: another failed run in parts ends in the same weights.
    const other = await project.train({}, { name: 'other' });
    await project.resume(other.runDirectory, { halve: true });
    const weights = await checkpoint(runDirectory, 'epoch-0003');
    expect(weights.equals(await checkpoint(other.runDirectory, 'epoch-0003'))).toBe(true);
  });

  it('fails the run with the same advice where the runtime tells it by a code', async () => {
    limit.images = 8;
    limit.error = new DcnetError({
      code: 'memory',
      message: 'It does not fit into the GPU’s memory.',
      remedy: '',
    });
    const { summary } = await project.train();
    expect(summary.error).toMatchObject({
      code: 'memory',
      message: expect.stringContaining('with 16 images at a time (It does not fit'),
      remedy: expect.stringContaining('--on-memory halve'),
    });
  });

  it('goes on in as many parts when it is resumed once more, and is halved only for memory', async () => {
    limit.images = 8;
    const { runDirectory } = await project.train();
    const halved = await project.resume(runDirectory, { halve: true }, 4);
    expect(halved).toMatchObject({ status: 'stopped', steps: 4, batch: { parts: 2 } });
    expect(await project.resume(runDirectory, { halve: true })).toMatchObject({
      status: 'completed',
      batch: { images: 16, parts: 2 },
    });
  });

  it('is not halved below one image', async () => {
    limit.images = 0;
    const { runDirectory, summary } = await project.train({ batch: 2 });
    expect(summary.error?.code).toBe('memory');
    const again = await project.resume(runDirectory, { halve: true });
    expect(again.batch).toEqual({ images: 2, parts: 2 });
    expect(again.error?.remedy).toMatch(/fewer filters/);
    await expect(project.resume(runDirectory, { halve: true })).rejects.toThrow(/cannot be halved any more/);
  });

  it('on WebAssembly is told of what no address of the module reaches', ({ skip }) => {
    if (testBackend !== 'wasm') skip('this is about the wasm backend');
    const { wasm } = tf.backend() as BackendWasm;
    const { _malloc } = wasm as unknown as { _malloc(bytes: number): number };
    // Cut to the 32 bits of a size, these are the 128 KiB above 4 GiB.
    expect(() => _malloc(2 ** 32 + 2 ** 17)).toThrow(/out of memory \(it cannot allocate 4295098368 bytes/);
  });

  it('on WebAssembly leaves a module that trains on, halved', async ({ skip }) => {
    if (testBackend !== 'wasm') skip('this is about the wasm backend');
    const giveBack = takeMemory(10 * 2 ** 20);
    try {
      // A kernel that has one of its two results when there is no room for the other.
      tf.registerKernel({
        kernelName: 'HalfDone',
        backendName: 'wasm',
        kernelFunc: ({ backend }) => {
          const wasmBackend = backend as BackendWasm;
          wasmBackend.makeOutput([1000], 'float32');
          return wasmBackend.makeOutput([2 ** 26], 'float32');
        },
      });
      expect(() => tf.engine().runKernel('HalfDone', {})).toThrow(/cannot allocate 268435456 bytes/);
      tf.unregisterKernel('HalfDone', 'wasm');
      tf.zeros([1]).dispose(); // before this is allocated, what the kernel left is freed
      expect((tf.backend() as BackendWasm).numDataIds()).toBe(tf.memory().numDataBuffers);

      const wide = { layers: [{ type: 'conv', filters: 200 }, ...tail], batch: 60, epochs: 1 };
      const { numTensors, numBytes } = tf.memory();
      const { runDirectory, summary } = await project.train(wide);
      expect(tf.memory()).toMatchObject({ numTensors, numBytes });
      expect((tf.backend() as BackendWasm).numDataIds()).toBe(tf.memory().numDataBuffers);
      expect(summary.error).toMatchObject({
        code: 'memory',
        message: expect.stringContaining('The wasm backend is out of memory (it cannot allocate'),
      });
      let last = summary;
      while (last.error?.code === 'memory') last = await project.resume(runDirectory, { halve: true });
      expect(last).toMatchObject({ status: 'completed', steps: 1 });
      expect(last.batch?.parts).toBeGreaterThan(1);
    } finally {
      giveBack();
    }
  });
});

const tail = [{ type: 'global-average-pool' }, { type: 'dense', units: 4 }];
