import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu/dist/register_all_kernels';
import { DcnetError } from '../../core/errors.js';
import type { Precision, RuntimeReport } from '../../protocol/engine.js';
import { tunedKernelsFile } from '../setup/runtimeFolder.js';
import { openDawn, probeDawn, withEvents } from './dawn.js';
import { DawnBackend } from './dawnBackend.js';
import { repairAveragePoolGradient } from './pooling.js';
import { Tuner, tunedFor } from './tuning.js';
import { registerWebgpuKernels } from './webgpuKernels.js';
import { mostTensors } from './wgsl/gradient.js';

/** Limits of the adapter that are asked for whole: large tensors and kernels with many of them need them. */
const wantedLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxComputeWorkgroupSizeX',
  'maxComputeInvocationsPerWorkgroup',
] as const satisfies readonly (keyof GPUSupportedLimits)[];

const wantedFeatures = ['timestamp-query', 'shader-f16'] as const satisfies readonly GPUFeatureName[];

/**
 * Make the backend known to tfjs; before it is set.
 * @throws DcnetError `backend` where it, or the precision, cannot be had here, with the reason and what to do
 */
export async function prepareWebgpu(
  precision: Precision,
): Promise<{ readonly version: string; readonly device: string }> {
  const dawn = await openDawn();
  if (!dawn.available) {
    throw new DcnetError({
      code: 'backend',
      message: `The webgpu backend does not run here: ${dawn.reason}`,
      remedy: 'Use --backend wasm, which runs everywhere.',
    });
  }
  const { adapter, version } = dawn;
  if (precision === 'fp16' && !adapter.features.has('shader-f16')) {
    throw new DcnetError({
      code: 'backend',
      message: `The GPU’s driver has no 16-bit floats for kernels (shader-f16): ${describe(adapter.info)}.`,
      remedy: 'Use --precision fp32 (setting dcnet.precision), or a newer driver.',
    });
  }
  if (tf.findBackendFactory('webgpu') === null) {
    // Before it is registered: what tfjs awaits itself fails without a reason.
    const backend = await makeBackend(adapter, version);
    tf.registerBackend('webgpu', () => backend);
  }
  const device = deviceText(adapter);
  return { version, device: precision === 'fp16' ? `${device}, in use (fp16)` : device };
}

async function makeBackend(adapter: GPUAdapter, version: string): Promise<DawnBackend> {
  const device = await deviceOf(adapter);
  // However the process ends, and before it takes down what Dawn's and the driver's threads may still work with.
  process.once('exit', () => device.destroy());
  const tuner = new Tuner({
    adapter: tunedFor(adapter.info, version),
    file: tunedKernelsFile(),
    measures: !adapter.info.isFallbackAdapter,
    warn: console.warn,
  });
  return new DawnBackend(device, adapter.info, tuner);
}

/** @throws DcnetError `backend` where the driver refuses: another program may have all of the GPU's memory */
async function deviceOf(adapter: GPUAdapter): Promise<GPUDevice> {
  try {
    return await withEvents(() =>
      adapter.requestDevice({
        requiredFeatures: wantedFeatures.filter((name) => adapter.features.has(name)),
        requiredLimits: Object.fromEntries(wantedLimits.map((name) => [name, adapter.limits[name]])),
      }),
    );
  } catch (thrown) {
    throw new DcnetError(
      {
        code: 'backend',
        message: `${describe(adapter.info)} cannot be used: ${(thrown as Error).message.split('\n', 1)[0]}`,
        remedy: 'End other programs that use the GPU, or use --backend wasm, which runs everywhere.',
      },
      { cause: thrown },
    );
  }
}

let completed = false;

/** Give the started backend the kernels it lacks, has slowly or has wrong; once a process. */
export function completeWebgpu(precision: Precision): void {
  (tf.backend() as DawnBackend).storage = precision === 'fp16' ? 'float16' : 'float32';
  if (completed) return;
  repairAveragePoolGradient('webgpu');
  registerWebgpuKernels();
  completed = true;
}

export async function probeWebgpu(): Promise<RuntimeReport> {
  const dawn = await probeDawn();
  if (!dawn.available) return { name: 'webgpu', available: false, reason: dawn.reason };
  const { info } = dawn.adapter;
  return {
    name: 'webgpu',
    available: true,
    version: dawn.version,
    device: deviceText(dawn.adapter),
    simulated: info.isFallbackAdapter,
  };
}

/** The card, and what it lacks or has that decides what our kernels are. */
function deviceText({
  info,
  features,
  limits: { maxStorageBuffersPerShaderStage: tensors },
}: GPUAdapter): string {
  const half = `${features.has('shader-f16') ? '' : 'no '}16-bit floats (shader-f16)`;
  const few =
    tensors < mostTensors
      ? `; only ${tensors} tensors a kernel: backward passes that need up to ${mostTensors} store their slopes first`
      : '';
  return `${describe(info)}${few}; ${half}`;
}

/** `NVIDIA GeForce RTX 4070 (nvidia ada, driver 550.54)`. */
function describe({ vendor, architecture, device, description, isFallbackAdapter }: GPUAdapterInfo): string {
  if (isFallbackAdapter)
    return `CPU (${description}: a program that stands in for a GPU, for tests only: slow, and no kernel is tuned)`;
  const kind = [vendor, architecture].filter((word) => word !== '').join(' ');
  const name = device === '' ? 'GPU' : device;
  return `${name} (${[kind, description].filter((words) => words !== '').join(', ')})`;
}
