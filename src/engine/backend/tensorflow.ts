import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import util from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { DcnetError } from '../../core/errors.js';
import type { RuntimeReport } from '../../protocol/engine.js';
import { explainNoGpu, findDriverFor } from '../setup/cuda.js';
import { kernelLibrary, readKernelSources } from '../setup/kernelSources.js';
import { isRuntimeNamed, nameTensorflowFolder, tensorflowRuntimeFolder } from '../setup/runtimeFolder.js';
import { readFatalLoad, whileLoading } from './crashMarks.js';
import { registerTensorflowKernels } from './fusedTensorflow.js';

/** The optional native runtime: TensorFlow's C library, on an NVIDIA GPU where there is one. */
const packageName = '@tensorflow/tfjs-node-gpu';

export type Tensorflow =
  | {
      readonly available: true;
      readonly version: string;
      /** Why it lacks our own kernels for decoupled layers; `undefined` where it has them. */
      readonly withoutKernels: string | undefined;
      /** Of the package; unknown of what stands in for it in a test. */
      readonly folder?: string | undefined;
    }
  | { readonly available: false; readonly reason: string };

/** `require`, or what stands in for it in a test. */
export type Load = ((name: string) => unknown) & { readonly resolve?: (name: string) => string };

let loading: Promise<Tensorflow> | undefined;
const otherFolders = new Set<string>();

/**
 * Load TensorFlow's binding, which registers the backend `tensorflow`; once a process. It is never bundled: its
 * native library lies beside it. tfjs keeps its engine and kernels on the global object, so that the binding's copy
 * of tfjs and the bundled one share them.
 */
export function loadTensorflow(): Promise<Tensorflow> {
  loading ??= loadInstalled();
  return loading;
}

async function loadInstalled(): Promise<Tensorflow> {
  const folders = [...otherFolders];
  const own = createRequire(import.meta.url); // the project's own install
  const setUp = createRequire(path.join(tensorflowRuntimeFolder(), 'package.json')); // what `dcnet setup tensorflow` made
  const places = [
    ...(isRuntimeNamed() ? [setUp, own] : [own, setUp]),
    ...folders.map((folder) => createRequire(path.join(folder, 'package.json'))),
  ];
  const loaded = await whileLoading({ name: 'tensorflow', file: `${packageName}/package.json`, places }, () =>
    tryTensorflow(places, folders),
  );
  if (loaded.available && loaded.withoutKernels === undefined && !usesGpu()) registerTensorflowKernels();
  return loaded;
}

/** As {@link loadTensorflow}, but what took down the process that loaded it last is not loaded. */
export async function probeTensorflow(): Promise<RuntimeReport> {
  const fatal = loading === undefined ? await readFatalLoad('tensorflow') : undefined;
  if (fatal !== undefined) return { name: 'tensorflow', available: false, reason: fatal };
  const loaded = await loadTensorflow();
  return loaded.available
    ? { name: 'tensorflow', available: true, version: loaded.version, device: await tensorflowDevice(loaded) }
    : { name: 'tensorflow', available: false, reason: loaded.reason };
}

/**
 * The binding registers all kernels of the cpu backend anew, which tfjs warns of, one by one, and which would take the
 * places of those that were repaired here: ours stand aside for it and come back. It also makes itself the backend in use,
 * whatever is computing at the moment.
 */
function keepingWhatIsInUse<T>(load: () => T): T {
  const inUse = tf.getBackend() as string | undefined;
  const ours = tf.getKernelsForBackend('cpu');
  for (const { kernelName } of ours) tf.unregisterKernel(kernelName, 'cpu');
  try {
    return load();
  } finally {
    for (const { kernelName } of tf.getKernelsForBackend('cpu')) tf.unregisterKernel(kernelName, 'cpu');
    for (const kernel of ours) tf.registerKernel(kernel);
    // At once, not when its promise comes back: it has been started before.
    if (inUse !== undefined && tf.getBackend() !== inUse) void tf.setBackend(inUse);
  }
}

/**
 * Look for TensorFlow in one more place, after the others; before it is first loaded.
 * @param folder whose `node_modules` has the binding
 */
export function lookForTensorflowIn(folder: string): void {
  otherFolders.add(path.resolve(folder));
}

/**
 * Look for TensorFlow in this folder before all others, here and in the processes that this one starts.
 * @param folder whose `node_modules` has the binding
 * @throws DcnetError `usage` where it has none
 */
export function useTensorflowOf(folder: string): void {
  const file = path.resolve(folder, 'node_modules', packageName, 'package.json');
  if (!existsSync(file))
    throw new DcnetError({
      code: 'usage',
      message: `There is no TensorFlow runtime in ${folder}: it has no node_modules/${packageName}.`,
      remedy: 'Name the folder of one, or set one up there: dcnet setup tensorflow --tensorflow <folder>.',
    });
  nameTensorflowFolder(folder);
}

/**
 * As {@link loadTensorflow}, each time anew: the first place where it is installed counts, also if it does not load.
 * @param named folders that somebody said it was in
 */
export function tryTensorflow(places: readonly Load[], named: readonly string[] = []): Tensorflow {
  for (const load of places) {
    const tried = keepingWhatIsInUse(() => tryPlace(load));
    if (tried !== undefined) return tried;
  }
  return {
    available: false,
    reason: `${packageName} is not installed${named.map((folder) => `, nor is it in ${folder}`).join('')}: run dcnet setup tensorflow.`,
  };
}

/** `undefined` where it is not installed. */
function tryPlace(load: Load): Tensorflow | undefined {
  restoreUtil();
  // The binding has a tfjs of its own, which finds its platform and the cpu backend set: no need for warnings.
  tf.enableProdMode();
  // Else TensorFlow takes all of the GPU's memory, whatever it needs.
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  // On processors without AVX-512 TensorFlow leaves oneDNN off, whose convolutions are some 1.5 times as fast there.
  process.env.TF_ENABLE_ONEDNN_OPTS ??= '1';
  try {
    const { version } = load(`${packageName}/package.json`) as { version: string };
    load(packageName);
    const folder = load.resolve && path.dirname(load.resolve(`${packageName}/package.json`));
    return { available: true, version, withoutKernels: tryKernels(load), folder };
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    const { code } = thrown as { code?: string };
    if (code === 'MODULE_NOT_FOUND' && message.includes(packageName)) return undefined;
    return {
      available: false,
      reason: `${packageName} is installed but does not load (${message.split('\n', 1)[0]}): run dcnet setup tensorflow to install it anew.`,
    };
  }
}

/** Load our own kernels, which the set-up compiled beside the binding. They compute on the CPU. */
function tryKernels(load: Load): string | undefined {
  const remedy = 'dcnet setup tensorflow --variant cpu compiles them';
  try {
    const { version } = load(`${packageName}/lib/napi-v8/${kernelLibrary}`) as { version: string };
    return version === readKernelSources().version
      ? undefined
      : `they are of another version: ${remedy} anew`;
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    return code === 'MODULE_NOT_FOUND'
      ? `it was set up without them: ${remedy}`
      : `they do not load (${message.split('\n', 1)[0]}): ${remedy} anew`;
  }
}

interface TensorflowBackend {
  readonly isUsingGpuDevice?: boolean;
  readonly binding?: { readonly TF_Version?: string };
}

function usesGpu(): boolean {
  return (tf.findBackend('tensorflow') as TensorflowBackend | null)?.isUsingGpuDevice === true;
}

type Loaded = Extract<Tensorflow, { available: true }>;

/** Neither changes while the process lives, and asking the driver takes a while. */
const devices = new WeakMap<Loaded, Promise<string>>();

/** The GPU by its name, or the CPU and why no GPU: TensorFlow falls back to the CPU without a word. */
export function tensorflowDevice(tensorflow: Loaded): Promise<string> {
  const known = devices.get(tensorflow) ?? describeDevice(tensorflow);
  devices.set(tensorflow, known);
  return known;
}

async function describeDevice({ withoutKernels, folder }: Loaded): Promise<string> {
  const backend = tf.findBackend('tensorflow') as TensorflowBackend | null;
  const library = `TensorFlow ${backend?.binding?.TF_Version ?? 'of unknown version'}`;
  if (usesGpu()) {
    const { gpu, driver } = await findDriverFor('');
    return `GPU (${gpu ?? 'of unknown name'}, NVIDIA driver ${driver ?? 'unknown'}, ${library} with CUDA; decoupled layers by its own operations, without kernels of ours)`;
  }
  const kernels =
    withoutKernels === undefined
      ? 'with kernels for decoupled layers'
      : `decoupled layers slower, without kernels of their own: ${withoutKernels}`;
  const why = folder === undefined ? 'it found none' : await explainNoGpu(folder);
  return `CPU (${library}, ${kernels}; no GPU: ${why})`;
}

/**
 * That TensorFlow computes on its GPU, which it may only have listed: a product, computed at once, whatever backend is in
 * use. For people, with its time; `undefined` where TensorFlow uses none.
 * @throws DcnetError `backend`
 */
export function proveGpu(): string | undefined {
  return usesGpu() ? timeProduct('tensorflow') : undefined;
}

/** As {@link proveGpu}, of any backend that has been started. */
export function timeProduct(backend: string): string {
  const inUse = tf.getBackend();
  void tf.setBackend(backend); // at once, as it has been started before
  try {
    let least = Number.POSITIVE_INFINITY;
    tf.tidy(() => {
      const [a, b] = [tf.fill([productSize, productSize], 2), tf.fill([productSize, productSize], 3)];
      // The first one warms up.
      for (let round = 0; round < 4; round++) {
        const startedAt = performance.now();
        const product = tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D);
        const [first] = tf.slice(product, [0, 0], [1, 1]).dataSync();
        if (round > 0) least = Math.min(least, performance.now() - startedAt);
        const off = tf.max(tf.abs(tf.sub(product, 6 * productSize))).dataSync()[0];
        if (off !== 0) throw new Error(`a product is ${first}, not ${6 * productSize}`);
      }
    });
    const digits = { maximumSignificantDigits: 2 };
    const speed = (2 * productSize ** 3) / least / 1e6;
    return `a product of ${productSize}×${productSize} takes ${least.toLocaleString('en', digits)} ms, ${speed.toLocaleString('en', digits)} GFLOP/s`;
  } catch (thrown) {
    throw new DcnetError(
      {
        code: 'backend',
        message: `TensorFlow has a GPU, but does not compute with it: ${(thrown as Error).message.split('\n', 1)[0]}.`,
        remedy:
          'Cards newer than Ampere need dcnet setup tensorflow --variant cuda12; CUDA_VISIBLE_DEVICES="" has TensorFlow use the CPU.',
      },
      { cause: thrown },
    );
  } finally {
    void tf.setBackend(inUse);
  }
}

/** Of the sides of the matrices: what a GPU does in less than a hundredth of a second. */
const productSize = 1024;

/** Node 23 removed two functions of `util` that the binding calls. */
function restoreUtil(): void {
  const removed = util as { isNullOrUndefined?: unknown; isArray?: unknown };
  removed.isNullOrUndefined ??= (value: unknown): boolean => value === null || value === undefined;
  removed.isArray ??= Array.isArray;
}
