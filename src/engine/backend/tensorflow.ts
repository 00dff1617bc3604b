import { createRequire } from 'node:module';
import util from 'node:util';
import * as tf from '@tensorflow/tfjs-core';

/** The optional native runtime: TensorFlow's C library, on an NVIDIA GPU where there is one. */
const packageName = '@tensorflow/tfjs-node-gpu';

export type Tensorflow =
  | { readonly available: true; readonly version: string }
  | { readonly available: false; readonly reason: string };

/** `require`, or what stands in for it in a test. */
export type Load = (name: string) => unknown;

let loaded: Tensorflow | undefined;

/**
 * Load TensorFlow's binding, which registers the backend `tensorflow`; once a process. It is never bundled: its
 * native library lies beside it. tfjs keeps its engine and kernels on the global object, so that the binding's copy
 * of tfjs and the bundled one share them.
 */
export function loadTensorflow(): Tensorflow {
  loaded ??= tryTensorflow(createRequire(import.meta.url));
  return loaded;
}

/** As {@link loadTensorflow}, each time anew. */
export function tryTensorflow(load: Load): Tensorflow {
  restoreUtil();
  // Else TensorFlow takes all of the GPU's memory, whatever it needs.
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  try {
    const { version } = load(`${packageName}/package.json`) as { version: string };
    load(packageName);
    return { available: true, version };
  } catch (thrown) {
    return { available: false, reason: reasonOf(thrown) };
  }
}

/** GPU, or CPU with the reason to be given: TensorFlow falls back to the CPU without a word. */
export function tensorflowDevice(): string {
  const backend = tf.findBackend('tensorflow') as { isUsingGpuDevice?: boolean } | null;
  return backend?.isUsingGpuDevice === true
    ? 'GPU (TensorFlow, CUDA)'
    : 'CPU (TensorFlow found no CUDA device: check the NVIDIA driver, CUDA and cuDNN)';
}

function reasonOf(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const firstLine = message.split('\n', 1)[0] ?? message;
  const { code } = thrown as { code?: string };
  if (code === 'MODULE_NOT_FOUND' && message.includes(packageName))
    return `${packageName} is not installed: run npm install ${packageName} where its library can be downloaded.`;
  return `${packageName} is installed but does not load (${firstLine}): run npm rebuild ${packageName}.`;
}

/** Node 23 removed two functions of `util` that the binding calls. */
function restoreUtil(): void {
  const removed = util as { isNullOrUndefined?: unknown; isArray?: unknown };
  removed.isNullOrUndefined ??= (value: unknown): boolean => value === null || value === undefined;
  removed.isArray ??= Array.isArray;
}
