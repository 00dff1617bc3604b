import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu/dist/register_all_kernels';
import { DcnetError } from '../../core/errors.js';
import type { RuntimeReport } from '../../protocol/engine.js';
import { openDawn, withEvents } from './dawn.js';
import { DawnBackend } from './dawnBackend.js';
import { repairAveragePoolGradient } from './pooling.js';
import { registerWebgpuKernels } from './webgpuKernels.js';

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

/**
 * Make the backend known to tfjs; before it is set.
 * @throws DcnetError `backend` where it cannot run here, with the reason and what to do
 */
export async function prepareWebgpu(): Promise<{ readonly version: string; readonly device: string }> {
  const dawn = await openDawn();
  if (!dawn.available) {
    throw new DcnetError({
      code: 'backend',
      message: `The webgpu backend does not run here: ${dawn.reason}`,
      remedy: 'Use --backend wasm, which runs everywhere.',
    });
  }
  const { adapter, version } = dawn;
  if (tf.findBackendFactory('webgpu') === null) tf.registerBackend('webgpu', () => makeBackend(adapter));
  return { version, device: describe(adapter.info) };
}

async function makeBackend(adapter: GPUAdapter): Promise<DawnBackend> {
  const device = await withEvents(() =>
    adapter.requestDevice({
      requiredFeatures: adapter.features.has('timestamp-query') ? ['timestamp-query'] : [],
      requiredLimits: Object.fromEntries(wantedLimits.map((name) => [name, adapter.limits[name]])),
    }),
  );
  return new DawnBackend(device, adapter.info);
}

let completed = false;

/** Give the started backend the kernels it lacks, has slowly or has wrong; once a process. */
export function completeWebgpu(): void {
  if (completed) return;
  repairAveragePoolGradient('webgpu');
  registerWebgpuKernels();
  completed = true;
}

export async function probeWebgpu(): Promise<RuntimeReport> {
  const dawn = await openDawn();
  if (!dawn.available) return { name: 'webgpu', available: false, reason: dawn.reason };
  const { info } = dawn.adapter;
  return {
    name: 'webgpu',
    available: true,
    version: dawn.version,
    device: describe(info),
    simulated: info.isFallbackAdapter,
  };
}

/** `NVIDIA GeForce RTX 4070 (nvidia ada, driver 550.54)`. */
function describe({ vendor, architecture, device, description, isFallbackAdapter }: GPUAdapterInfo): string {
  if (isFallbackAdapter)
    return `CPU (${description}: a program that stands in for a GPU, for tests only: slow)`;
  const kind = [vendor, architecture].filter((word) => word !== '').join(' ');
  const name = device === '' ? 'GPU' : device;
  return `${name} (${[kind, description].filter((words) => words !== '').join(', ')})`;
}
