import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { type BackendWasm, setWasmPaths, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { DcnetError } from '../../core/errors.js';
import type { RuntimeReport } from '../../protocol/engine.js';
import { registerAffineConvolution } from './affineConvolution.js';
import { registerConvolutions } from './convolutions.js';
import { registerFusedKernels } from './fusedWasm.js';
import { registerCounting, registerInspectionKernels } from './inspectionWasm.js';
import { KernelModule } from './kernelModule.js';
import { registerMatrixProducts } from './matrixProducts.js';
import { OwnKernels } from './ownKernels.js';
import { registerMaxPoolGradient, repairAveragePoolGradient } from './pooling.js';
import { replaceKernel } from './replaceKernel.js';
import { surviveFailedAllocations } from './wasmMemory.js';

const plainBinary = 'tfjs-backend-wasm.wasm';
const kernelsBinary = 'dcnet-kernels.wasm';
/** The same kernels with instructions that multiply and add at once, on processors that have them. */
const relaxedBinary = 'dcnet-kernels-relaxed.wasm';

/** What the WebAssembly backend runs on; after {@link prepareWasm}. */
export function wasmDevice(threads: number): string {
  const simd = hasRelaxedSimd() ? 'relaxed SIMD' : 'SIMD';
  return `CPU (WebAssembly ${simd}), ${threads === 1 ? 'one thread' : `${threads} threads`}`;
}

const readBinary = (name: string): Uint8Array<ArrayBuffer> =>
  readFileSync(path.join(folderOf(name) ?? '', name));

let relaxed: boolean | undefined;

/** Whether this Node.js runs relaxed SIMD: from version 21 on, and version 20 when it is told to. */
function hasRelaxedSimd(): boolean {
  relaxed ??= canRun(readBinary(relaxedBinary));
  return relaxed;
}

function canRun(bytes: Uint8Array<ArrayBuffer>): boolean {
  if (WebAssembly.validate(bytes)) return true;
  // Not set beforehand: a newer V8 that has the instructions anyway does not know the flag.
  setFlagsFromString('--experimental-wasm-relaxed-simd');
  return WebAssembly.validate(bytes);
}

/**
 * Tell tfjs where its binaries are; before its backend starts.
 * @throws DcnetError `backend` where it cannot run
 */
export async function prepareWasm(): Promise<void> {
  const obstacle = await findObstacle();
  if (obstacle !== undefined) {
    const { reason, remedy } = obstacle;
    throw new DcnetError({
      code: 'backend',
      message: `The wasm backend does not run here: ${reason}.`,
      remedy: `${remedy}.`,
    });
  }
  // tfjs keeps the paths of its first start.
  if (ownKernels === undefined) setWasmPaths(`${folderOf(plainBinary)}${path.sep}`);
}

let ownKernels: KernelModule | undefined;

/** Threads where nobody asks for a number: beyond this many they wait for memory more than they compute. */
const mostThreads = 8;

/** As many threads as serve here. */
export function defaultThreads(): number {
  return Math.min(os.availableParallelism(), mostThreads);
}

/**
 * Give the started backend the kernels it lacks, has slowly or has wrong, once a process; and so many threads. What comes out
 * is the same for any number of them, to the last bit.
 */
export function completeWasm(threads: number): void {
  ownKernels ??= completed();
  ownKernels.useThreads(threads);
}

function completed(): KernelModule {
  surviveFailedAllocations(tf.backend() as BackendWasm);
  const module = KernelModule.load(readBinary(hasRelaxedSimd() ? relaxedBinary : kernelsBinary));
  shareClones(module);
  registerConvolutions(module);
  registerMatrixProducts(module);
  registerMaxPoolGradient(module);
  repairAveragePoolGradient('wasm');
  registerFusedKernels(module);
  registerAffineConvolution(module);
  registerInspectionKernels(module);
  return module;
}

const withCounting = new Set<string>();

/** Have our kernels count for a backend that has none of its own, where they run here; once a process. */
export async function countFor(backendName: 'tensorflow' | 'webgpu'): Promise<void> {
  if (withCounting.has(backendName) || (await findObstacle()) !== undefined) return;
  const binary = readBinary(hasRelaxedSimd() ? relaxedBinary : kernelsBinary);
  registerCounting(backendName, new OwnKernels(binary));
  withCounting.add(backendName);
}

/** What is kept for a gradient is a clone: let it have the same memory, as on tfjs's other backends, not a copy of it. */
function shareClones(module: KernelModule): void {
  replaceKernel('Identity', 'wasm', (stock) => (parameters) => {
    const { x } = parameters.inputs as Record<'x', tf.TensorInfo>;
    return x.dtype === 'string' ? stock(parameters) : module.share(x);
  });
}

export async function probeWasm(): Promise<RuntimeReport> {
  const report = { name: 'wasm', version: version_wasm } as const;
  const obstacle = await findObstacle();
  if (obstacle === undefined) return { ...report, available: true, device: wasmDevice(defaultThreads()) };
  return { ...report, available: false, reason: `${obstacle.reason}. ${obstacle.remedy}.` };
}

/** Why the backend cannot run here, and what to do. */
async function findObstacle(): Promise<{ reason: string; remedy: string } | undefined> {
  const missing = [plainBinary, kernelsBinary, relaxedBinary].find((name) => folderOf(name) === undefined);
  if (missing !== undefined) {
    return {
      reason: `${bundledFolder()} has no ${missing}`,
      remedy: 'Install the extension again, or run npm run build in a clone',
    };
  }
  if ((await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')) !== true) {
    return {
      reason: 'this Node or processor has no WebAssembly SIMD',
      remedy: 'Use Node 20 or newer on a processor with SSE4.1 or NEON',
    };
  }
  return undefined;
}

const here = path.dirname(fileURLToPath(import.meta.url));

/** Beside the bundled engine. */
function bundledFolder(): string {
  return path.join(here, 'wasm');
}

/** The folder that has a binary: beside the bundle; from source, the build's output or tfjs's package. */
function folderOf(binary: string): string | undefined {
  const folders = [bundledFolder()];
  if (import.meta.url.endsWith('.ts')) folders.push(path.join(here, '../../../dist/wasm'));
  return folders.find((folder) => existsSync(path.join(folder, binary)));
}
