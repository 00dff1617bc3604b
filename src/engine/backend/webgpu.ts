import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu/dist/register_all_kernels';
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu/dist/backend_webgpu';
import { DcnetError } from '../../core/errors.js';
import type { RuntimeReport } from '../../protocol/engine.js';
import { mapNow, openDawn, withEvents } from './dawn.js';
import { repairAveragePoolGradient } from './pooling.js';

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

/** tfjs's WebGPU backend on Dawn, with values that can be read at once: tfjs's own way needs a browser's canvas. */
class DawnBackend extends WebGPUBackend {
  #failure: string | undefined;

  constructor(device: GPUDevice, info: GPUAdapterInfo) {
    super(device, info);
    device.addEventListener('uncapturederror', ({ error }) => {
      this.#failure ??= error.message;
    });
  }

  /**
   * @throws DcnetError `backend` where the device refused something since it started: what it computed is not to be
   * relied on
   */
  override readSync(dataId: object): tf.backend_util.BackendValues {
    const stored = this.tensorMap.get(dataId);
    if (stored.values !== null && stored.values !== undefined) return stored.values;
    if (stored.complexTensorInfos !== undefined) return super.readSync(dataId);
    const source = stored.resource as GPUBuffer;
    const staging = this.bufferManager.acquireBuffer(
      source.size,
      GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    );
    this.ensureCommandEncoderReady();
    this.endComputePassEncoder();
    internals(this).commandEncoder.copyBufferToBuffer(source, 0, staging, 0, source.size);
    this.submitQueue();
    const bytes = mapNow(staging).slice(0);
    staging.unmap();
    this.bufferManager.releaseBuffer(staging);
    if (this.#failure !== undefined) {
      throw new DcnetError({
        code: 'backend',
        message: `The GPU refused a computation: ${this.#failure}`,
        remedy: 'Use a smaller batch if it ran out of memory; else --backend wasm, which runs everywhere.',
      });
    }
    stored.values = tf.util.convertBackendValuesAndArrayBuffer(bytes, stored.dtype);
    return stored.values;
  }

  override read(dataId: object): Promise<tf.backend_util.BackendValues> {
    return Promise.resolve(this.readSync(dataId));
  }
}

/** What tfjs calls private. */
interface Internals {
  readonly commandEncoder: GPUCommandEncoder;
}

function internals(backend: DawnBackend): Internals {
  return backend as unknown as Internals;
}

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

/** Put right what the started backend has wrong; once a process. */
export function completeWebgpu(): void {
  if (completed) return;
  repairAveragePoolGradient('webgpu');
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
