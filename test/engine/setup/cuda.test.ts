import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { explainNoGpu, findDriverFor } from '../../../src/engine/setup/cuda.js';

/** A machine whose driver and libraries are files of ours. */
let home: string;
let binding: string;
const { PATH, LD_LIBRARY_PATH } = process.env;

beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'dcnet-cuda-'));
  binding = path.join(home, 'binding');
  await mkdir(path.join(binding, 'deps', 'lib'), { recursive: true });
  await mkdir(path.join(home, 'bin'));
  process.env.PATH = path.join(home, 'bin');
  process.env.LD_LIBRARY_PATH = path.join(home, 'lib');
});

afterEach(async () => {
  vi.unstubAllEnvs();
  process.env.PATH = PATH;
  process.env.LD_LIBRARY_PATH = LD_LIBRARY_PATH;
  if (LD_LIBRARY_PATH === undefined) delete process.env.LD_LIBRARY_PATH;
  await rm(home, { recursive: true, force: true });
});

async function driver(version: string): Promise<void> {
  const file = path.join(home, 'bin', 'nvidia-smi');
  await writeFile(file, `#!/bin/sh\necho "${version}, NVIDIA GeForce RTX 4070"\n`);
  await chmod(file, 0o755);
}

/** What PyPI's wheel leaves, with packages of CUDA beside it. */
async function wheel(info: string, packages: readonly string[] = []): Promise<void> {
  const site = path.join(home, 'python');
  await mkdir(path.join(site, 'tensorflow', 'python', 'platform'), { recursive: true });
  await writeFile(
    path.join(site, 'tensorflow', 'python', 'platform', 'build_info.py'),
    `build_info = collections.OrderedDict([${info}])\n`,
  );
  const name = 'libtensorflow_framework.so.2';
  await writeFile(path.join(site, 'tensorflow', name), '');
  await symlink(path.join(site, 'tensorflow', name), path.join(binding, 'deps', 'lib', name));
  for (const each of packages) await mkdir(path.join(site, `${each}.dist-info`));
}

const cuda12 = "('cuda_version', '12.5.1'), ('cudnn_version', '9'), ('is_cuda_build', True)";

describe.skipIf(process.platform !== 'linux')('why TensorFlow has no GPU', () => {
  test('built without CUDA: says so, and what gets one with it where there is a driver', async () => {
    await wheel("('is_cuda_build', False)");
    expect(await explainNoGpu(binding)).toBe(
      'this TensorFlow is built without CUDA; NVIDIA driver not found, 525.60.13 or newer needed',
    );
    await driver('550.54.14');
    expect(await explainNoGpu(binding)).toBe(
      'this TensorFlow is built without CUDA: dcnet setup tensorflow --variant cuda12 gets one with it; NVIDIA driver 550.54.14 found, 525.60.13 or newer needed',
    );
  });

  test('PyPI’s: driver, CUDA and cuDNN, each as it is here and as it is needed', async () => {
    await driver('470.82');
    await wheel(cuda12, ['nvidia_cuda_runtime_cu12-12.5.82', 'nvidia_cudnn_cu12-9.3.0.75', 'other_cu12-1.0']);
    expect(await explainNoGpu(binding)).toBe(
      'NVIDIA driver 470.82 found, 525.60.13 or newer needed; CUDA 12.5.82 found, 12.5.1 needed; cuDNN 9.3.0.75 found, 9 needed',
    );
  });

  test('all that it needs is there: says how to learn more', async () => {
    await driver('550.54.14');
    await wheel(cuda12, ['nvidia_cuda_runtime_cu12-12.5.82']);
    const told = await explainNoGpu(binding);
    expect(told).toContain('cuDNN not found, 9 needed');
    expect(told).toContain('TF_CPP_MIN_LOG_LEVEL=0');
  });

  test.each([
    { devices: '', hides: true },
    { devices: '-1', hides: true },
    { devices: '-1,0', hides: true }, // what follows one that is none counts no more
    { devices: '0', hides: false },
    { devices: 'GPU-8932f937', hides: false },
  ])(
    'CUDA_VISIBLE_DEVICES="$devices" is told of where it is the cause: $hides',
    async ({ devices, hides }) => {
      vi.stubEnv('CUDA_VISIBLE_DEVICES', devices);
      await driver('550.54.14');
      await wheel(cuda12, ['nvidia_cuda_runtime_cu12-12.5.82', 'nvidia_cudnn_cu12-9.3.0.75']);
      const told = await explainNoGpu(binding);
      const cause = `CUDA_VISIBLE_DEVICES is "${devices}", which hides every GPU from CUDA; `;
      expect(told.startsWith(`${hides ? cause : ''}NVIDIA driver 550.54.14 found`), told).toBe(true);
    },
  );

  test('npm’s prebuilt: what the system has, rather of the major that it needs', async () => {
    await mkdir(path.join(home, 'lib'));
    for (const name of [
      'libcudart.so.11.2.152',
      'libcudart.so.12.4.99',
      'libcudnn.so.9',
      'libcudnn_ops.so.8.1',
    ])
      await writeFile(path.join(home, 'lib', name), '');
    expect(await explainNoGpu(binding)).toBe(
      'NVIDIA driver not found, 450.80.02 or newer needed; CUDA 11.2.152 found, 11.2 needed; cuDNN 9 found, 8.1 needed',
    );
  });
});

describe.skipIf(process.platform === 'win32')('the driver', () => {
  test('is named with its GPU', async () => {
    await driver('550.54.14');
    expect(await findDriverFor('12')).toMatchObject({
      ...{ available: true, driver: '550.54.14', gpu: 'NVIDIA GeForce RTX 4070' },
    });
  });

  test('that is too old for a CUDA is told of as what is missing', async () => {
    await driver('470.82');
    expect(await findDriverFor('12')).toMatchObject({
      available: false,
      reason: 'The NVIDIA driver here is 470.82: CUDA 12 needs 525.60.13 or newer.',
    });
    expect(await findDriverFor('11.2')).toMatchObject({ available: true });
  });
});
