import '@tensorflow/tfjs-backend-cpu';
import { version_wasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import { DcnetError } from '../../core/errors.js';
import type { RuntimeChoice } from '../../core/run/runtime.js';
import type { BackendName, Precision, RuntimeReport } from '../../protocol/engine.js';
import type { DawnBackend } from './dawnBackend.js';
import { repairAveragePoolGradient } from './pooling.js';
import { loadTensorflow, probeTensorflow, proveGpu, tensorflowDevice } from './tensorflow.js';
import { completeWasm, countFor, prepareWasm, probeWasm, wasmDevice } from './wasm.js';
import { completeWebgpu, prepareWebgpu, probeWebgpu } from './webgpu.js';

/** The tensor runtime that computes in this process. */
export interface Runtime {
  readonly name: BackendName;
  readonly version: string;
  /** What it runs on, for people. */
  readonly device: string;
  /** That compute, where they are ours. */
  readonly threads?: number;
  /** Left out: fp32. */
  readonly precision?: Precision;
  /** Left out: it was asked for by its name. */
  readonly why?: RuntimeChoice;
  /** It computes nothing any more, in this process, and why; only of one that can be lost. */
  readonly lost?: Promise<DcnetError>;
}

/**
 * Start a tensor runtime in this process.
 * @param precision fp16: decoupled convolutions keep activations and weights in 16 bits inside their kernels; webgpu only
 * @param threads that compute, on wasm; the others have threads of their own, or are the reference
 * @throws DcnetError `backend` where the choice does not run here, with the reason and what to do
 */
export async function startBackend(
  choice: Runtime['name'],
  precision: Precision = 'fp32',
  threads = 1,
): Promise<Runtime> {
  if (precision === 'fp16' && choice !== 'webgpu') {
    throw new DcnetError({
      code: 'backend',
      message: `The ${choice} backend computes in fp32 only.`,
      remedy: 'Use --backend webgpu with --precision fp16, or --precision fp32 (setting dcnet.precision).',
    });
  }
  switch (choice) {
    case 'tensorflow': {
      const tensorflow = await loadTensorflow();
      if (!tensorflow.available) {
        throw new DcnetError({
          code: 'backend',
          message: `The tensorflow backend does not run here: ${tensorflow.reason}`,
          remedy: 'Use --backend wasm, which runs everywhere.',
        });
      }
      await setBackend('tensorflow');
      await countFor('tensorflow');
      const [device, proof] = [await tensorflowDevice(tensorflow), proveGpu()];
      return {
        name: 'tensorflow',
        version: tensorflow.version,
        device: proof === undefined ? device : `${device}: ${proof}`,
      };
    }
    case 'webgpu': {
      const runtime = await prepareWebgpu(precision);
      await setBackend('webgpu');
      completeWebgpu(precision);
      await countFor('webgpu');
      return { name: 'webgpu', precision, ...runtime, lost: (tf.backend() as DawnBackend).lost };
    }
    case 'wasm': {
      await prepareWasm();
      await setBackend('wasm');
      completeWasm(threads);
      return { name: 'wasm', version: version_wasm, device: wasmDevice(threads), threads };
    }
    case 'cpu':
      await setBackend('cpu');
      completeCpu();
      return { name: 'cpu', version: tf.version_core, device: cpuDevice };
  }
}

/**
 * That the backend in use computes: a small product, where a device that was refused its memory or is lost fails.
 * @throws DcnetError `backend`, or what the runtime throws
 */
export async function proveBackend(): Promise<void> {
  const product = tf.tidy(() => tf.matMul(tf.fill([side, side], 2), tf.fill([side, side], 3))); // [side, side]
  try {
    const wrong = (await product.data()).find((value) => value !== 6 * side);
    if (wrong === undefined) return;
    throw new DcnetError({
      code: 'backend',
      message: `The ${tf.getBackend()} backend computes wrongly: a product is ${wrong}, not ${6 * side}.`,
      remedy: 'Use --backend wasm, which runs everywhere.',
    });
  } finally {
    product.dispose();
  }
}

const side = 16;

/**
 * What runs in this process and what does not, each with its version or the reason. Changes no backend. A native library that
 * took down the process that loaded it last is not loaded.
 */
export async function probeRuntimes(): Promise<RuntimeReport[]> {
  return [
    await probeTensorflow(),
    await probeWebgpu(),
    await probeWasm(),
    { name: 'cpu', available: true, version: tf.version_core, device: cpuDevice },
  ];
}

let cpuCompleted = false;

function completeCpu(): void {
  if (cpuCompleted) return;
  repairAveragePoolGradient('cpu');
  cpuCompleted = true;
}

const cpuDevice = 'CPU (plain JavaScript: the reference, some hundred times slower)';

async function setBackend(name: BackendName): Promise<void> {
  // Else tfjs advises, on every start, to install another backend.
  tf.enableProdMode();
  let reason = 'it did not initialise.';
  try {
    if (await tf.setBackend(name)) {
      await tf.ready();
      return;
    }
  } catch (thrown) {
    reason = thrown instanceof Error ? thrown.message : JSON.stringify(thrown);
  }
  throw new DcnetError({
    code: 'backend',
    message: `The ${name} backend did not start: ${reason}`,
    remedy: 'Run `dcnet doctor` to see what runs here, or choose another backend.',
  });
}
