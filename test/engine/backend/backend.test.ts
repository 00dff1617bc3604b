import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import util from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test, vi } from 'vitest';
import { DcnetError } from '../../../src/core/errors.js';
import { probeRuntimes, startBackend } from '../../../src/engine/backend/backend.js';
import { openDawn, tryDawn } from '../../../src/engine/backend/dawn.js';
import {
  loadTensorflow,
  type Tensorflow,
  tensorflowDevice,
  timeProduct,
  tryTensorflow,
} from '../../../src/engine/backend/tensorflow.js';
import { readKernelSources } from '../../../src/engine/setup/kernelSources.js';
import { startRuntime } from '../../../src/engine/startRuntime.js';
import { temporaryFolder } from '../data/tinyData.js';

const notFound = Object.assign(new Error("Cannot find module '@tensorflow/tfjs-node-gpu/package.json'"), {
  code: 'MODULE_NOT_FOUND',
});

describe('startBackend', () => {
  test.each(['wasm', 'cpu', 'tensorflow'] as const)('%s refuses fp16, and says what has it', async (name) => {
    await expect(startBackend(name, 'fp16')).rejects.toThrow(`The ${name} backend computes in fp32 only.`);
  });

  test('webgpu refuses fp16 where the driver has none', async ({ skip }) => {
    const dawn = await openDawn();
    if (!dawn.available || dawn.adapter.features.has('shader-f16')) skip('no GPU without 16-bit floats here');
    await expect(startBackend('webgpu', 'fp16')).rejects.toThrow('shader-f16');
  });

  test('wasm: sets the backend and says what it runs on', async () => {
    const runtime = await startBackend('wasm');
    expect(runtime).toEqual({
      name: 'wasm',
      version: '4.22.0',
      // Of every Node.js that is supported; version 20 has it when it is told to.
      device: 'CPU (WebAssembly relaxed SIMD), one thread',
      threads: 1,
    });
    expect(tf.getBackend()).toBe('wasm');
  });

  test('can be called again, and for another backend', async () => {
    await startBackend('cpu');
    expect(tf.getBackend()).toBe('cpu');
    await startBackend('wasm');
    await startBackend('wasm');
    expect(tf.getBackend()).toBe('wasm');
    expect(tf.sum(tf.ones([5])).dataSync()[0]).toBe(5);
  });

  test('tensorflow, where it is not installed: an error with the reason and what to do; auto is wasm', async ({
    skip,
  }) => {
    if ((await loadTensorflow()).available) skip('TensorFlow is installed here');
    const failure = await startBackend('tensorflow').catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(DcnetError);
    const { code, message, remedy } = (failure as DcnetError).details;
    expect(code).toBe('backend');
    expect(message).toContain('@tensorflow/tfjs-node-gpu');
    expect(remedy).toContain('wasm');
    expect((await startRuntime('auto')).name).toBe('wasm');
  });
});

test('a binding that brings its own cpu kernels takes no place of ours, and nothing is warned of', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const ours = tf.getKernel('Abs', 'cpu');
  const count = tf.getKernelsForBackend('cpu').length;
  tryTensorflow([
    (name) => {
      if (name.endsWith('json')) return { version: '4.22.0' };
      for (const kernelName of ['Abs', 'OfItsOwn'])
        tf.registerKernel({ kernelName, backendName: 'cpu', kernelFunc: () => [] });
      throw new Error('It goes no further.');
    },
  ]);
  expect(tf.getKernel('Abs', 'cpu')).toBe(ours);
  expect(tf.getKernelsForBackend('cpu').length).toBe(count);
  expect(warn).not.toHaveBeenCalled();
  warn.mockRestore();
});

test('a binding that makes itself the backend leaves what computes in its place', async () => {
  await startBackend('wasm');
  tryTensorflow([
    (name) => {
      if (name === '@tensorflow/tfjs-node-gpu') void tf.setBackend('cpu');
      return { version: '4.22.0' };
    },
  ]);
  expect(tf.getBackend()).toBe('wasm');
  expect(tf.sum(tf.ones([5])).dataSync()[0]).toBe(5);
});

describe('probeRuntimes', () => {
  test('reports each runtime once, with a version or a reason, and changes no backend', async () => {
    await startBackend('cpu');
    const reports = await probeRuntimes();
    expect(tf.getBackend()).toBe('cpu');
    expect(reports.map(({ name }) => name)).toEqual(['tensorflow', 'webgpu', 'wasm', 'cpu']);
    for (const { available, version, device, reason } of reports) {
      if (available) expect([version, device]).not.toContain(undefined);
      else expect(reason).toBeTruthy();
    }
    expect(reports[2]).toMatchObject({ available: true, device: expect.stringContaining('SIMD') });
  });
});

describe('loading TensorFlow', () => {
  test('absent: says that it is not installed', () => {
    const result = tryTensorflow([
      () => {
        throw notFound;
      },
    ]);
    expect(result).toEqual({ available: false, reason: expect.stringContaining('is not installed') });
  });

  test('where it was set up goes before a folder of the settings, whose lack of it is told by name', async () => {
    const folder = await temporaryFolder();
    const install = async (name: string, version: string): Promise<void> => {
      const inside = path.join(folder, name, 'node_modules', '@tensorflow', 'tfjs-node-gpu');
      await mkdir(inside, { recursive: true });
      await writeFile(path.join(inside, 'package.json'), JSON.stringify({ version, main: 'index.js' }));
      await writeFile(path.join(inside, 'index.js'), '');
    };
    const load = async (): Promise<Tensorflow> => {
      vi.resetModules(); // as another process
      const fresh = await import('../../../src/engine/backend/tensorflow.js');
      fresh.lookForTensorflowIn(path.join(folder, 'named'));
      return fresh.loadTensorflow();
    };
    vi.stubEnv('DCNET_RUNTIME', path.join(folder, 'set-up'));
    try {
      expect(await load()).toMatchObject({
        reason: expect.stringContaining(
          `is not installed, nor is it in ${path.join(folder, 'named')}: run dcnet`,
        ),
      });
      await install('named', '2.0.0');
      expect(await load()).toMatchObject({ available: true, version: '2.0.0' });
      await install('set-up', '1.0.0');
      expect(await load()).toMatchObject({ available: true, version: '1.0.0' });
    } finally {
      vi.unstubAllEnvs();
      vi.resetModules();
    }
  });

  test('installed without its native library: says that it does not load, and the first line of why', () => {
    const broken = (name: string): unknown => {
      if (name.endsWith('package.json')) return { version: '4.22.0' };
      throw new Error('The specified module could not be found.\nRequire stack: …');
    };
    const result = tryTensorflow([broken, () => ({ version: '4.22.0' })]);
    expect(result).toEqual({
      available: false,
      reason: expect.stringContaining('does not load (The specified module could not be found.)'),
    });
  });

  test('loads: gives the version, and restores what newer Nodes took from util before that', () => {
    const seen: string[] = [];
    const removed = util as { isNullOrUndefined?: (value: unknown) => boolean };
    removed.isNullOrUndefined = undefined as never;
    const absent = (): unknown => {
      throw notFound;
    };
    const result = tryTensorflow([
      absent,
      (name) => {
        seen.push(name);
        expect(removed.isNullOrUndefined?.(null)).toBe(true);
        expect(removed.isNullOrUndefined?.(0)).toBe(false);
        return { version: name.endsWith('.node') ? readKernelSources().version : '4.22.0' };
      },
    ]);
    expect(result).toEqual({ available: true, version: '4.22.0', withoutKernels: undefined });
    expect(seen).toEqual([
      '@tensorflow/tfjs-node-gpu/package.json',
      '@tensorflow/tfjs-node-gpu',
      '@tensorflow/tfjs-node-gpu/lib/napi-v8/dcnet_ops.node',
    ]);
  });

  test.each([
    {
      what: 'set up before there were kernels',
      kernels: () => {
        throw Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' });
      },
      reason: 'it was set up without them',
    },
    {
      what: 'with kernels compiled from another version’s source',
      kernels: () => ({ version: 'another' }),
      reason: 'they are of another version',
    },
    {
      what: 'with kernels that do not load',
      kernels: () => {
        throw new Error('undefined symbol: TF_GetInput\nmore');
      },
      reason: 'they do not load (undefined symbol: TF_GetInput)',
    },
  ])(
    '$what: it runs, and says why decoupled layers are slower and what to do',
    async ({ kernels, reason }) => {
      const result = tryTensorflow([
        (name) => (name.endsWith('.node') ? kernels() : { version: '4.22.0' }),
      ]) as Extract<Tensorflow, { available: true }>;
      expect(result.available).toBe(true);
      expect(result.withoutKernels).toContain(reason);
      const device = await tensorflowDevice(result);
      expect(device).toContain(`decoupled layers slower, without kernels of their own: ${reason}`);
      expect(device).toContain('dcnet setup tensorflow --variant cpu');
      expect(await tensorflowDevice({ ...result, withoutKernels: undefined })).toContain(
        'with kernels for decoupled layers',
      );
    },
  );
});

describe('a product that proves a GPU', () => {
  test('is timed on the backend that it is asked of, and leaves the other in use', async () => {
    await startBackend('cpu');
    await startBackend('wasm');
    await startBackend('cpu');
    expect(timeProduct('wasm')).toMatch(/^a product of 1024×1024 takes [\d.,]+ ms, [\d.,]+ GFLOP\/s$/);
    expect(tf.getBackend()).toBe('cpu');
  });

  test('is looked at: a wrong one is told of', async () => {
    await startBackend('wasm');
    const right = tf.getKernel('BatchMatMul', 'wasm');
    tf.unregisterKernel('BatchMatMul', 'wasm');
    const zeros = (): tf.TensorInfo => tf.zeros([1, 1024, 1024]);
    tf.registerKernel({ kernelName: 'BatchMatMul', backendName: 'wasm', kernelFunc: zeros });
    try {
      expect(() => timeProduct('wasm')).toThrow(
        'TensorFlow has a GPU, but does not compute with it: a product is 0, not 6144.',
      );
    } finally {
      tf.unregisterKernel('BatchMatMul', 'wasm');
      tf.registerKernel(right);
    }
    expect(tf.getBackend()).toBe('wasm');
  });
});

describe('loading Dawn', () => {
  const absent = (name: string): never => {
    throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' });
  };

  test('absent: says how to install it', async () => {
    expect(await tryDawn([absent, absent])).toEqual({
      available: false,
      reason: expect.stringMatching(
        /not installed: run DCNet: Set Up WebGPU Runtime \(dcnet setup webgpu\)\.$/,
      ),
    });
  });

  test('of a C library that is too old here: says what it needs, and the first line of why', async () => {
    const broken = (name: string): unknown => {
      if (name.endsWith('package.json')) return { version: '0.6.2' };
      throw new Error("libc.so.6: version `GLIBC_2.38' not found\nRequire stack: …");
    };
    const { reason } = (await tryDawn([absent, broken])) as { reason: string };
    expect(reason).toContain("does not load (libc.so.6: version `GLIBC_2.38' not found)");
  });

  test('without a GPU: says what to look at', async () => {
    const gpu = { requestAdapter: () => Promise.resolve(null) };
    const load = (name: string): unknown =>
      name.endsWith('package.json') ? { version: '0.6.2' } : { create: () => gpu, globals: {} };
    expect(await tryDawn([load])).toEqual({
      available: false,
      reason: expect.stringMatching(/no GPU was found: .*(driver|libvulkan1)/),
    });
  });

  test('in Electron: names the setting', async () => {
    Object.defineProperty(process.versions, 'electron', { value: '35.0.0', configurable: true });
    try {
      expect(await tryDawn([absent])).toEqual({
        available: false,
        reason: expect.stringContaining('dcnet.nodePath'),
      });
    } finally {
      delete (process.versions as { electron?: string }).electron;
    }
  });
});
