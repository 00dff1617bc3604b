import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BackendWasm, setWasmPaths, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { DcnetError } from '../../core/errors.js';
import type { RuntimeReport } from '../../protocol/engine.js';
import { registerConvolutions } from './convolutions.js';
import { registerFusedKernels } from './fusedWasm.js';
import { registerInspectionKernels } from './inspectionWasm.js';
import { KernelModule } from './kernelModule.js';
import { registerMaxPoolGradient, repairAveragePoolGradient } from './pooling.js';
import { surviveFailedAllocations } from './wasmMemory.js';

const plainBinary = 'tfjs-backend-wasm.wasm';
const kernelsBinary = 'dcnet-kernels.wasm';

/** What the WebAssembly backend runs on. */
export const wasmDevice = 'CPU (WebAssembly SIMD)';

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
  if (!completed) setWasmPaths(`${folderOf(plainBinary)}${path.sep}`);
}

let completed = false;

/** Give the started backend the kernels it lacks, has slowly or has wrong; once a process. */
export function completeWasm(): void {
  if (completed) return;
  surviveFailedAllocations(tf.backend() as BackendWasm);
  const module = KernelModule.load(path.join(folderOf(kernelsBinary) ?? '', kernelsBinary));
  registerConvolutions(module);
  registerMaxPoolGradient(module);
  repairAveragePoolGradient('wasm');
  registerFusedKernels(module);
  registerInspectionKernels(module);
  completed = true;
}

export async function probeWasm(): Promise<RuntimeReport> {
  const report = { name: 'wasm', version: version_wasm } as const;
  const obstacle = await findObstacle();
  if (obstacle === undefined) return { ...report, available: true, device: wasmDevice };
  return { ...report, available: false, reason: `${obstacle.reason}. ${obstacle.remedy}.` };
}

/** Why the backend cannot run here, and what to do. */
async function findObstacle(): Promise<{ reason: string; remedy: string } | undefined> {
  const missing = [plainBinary, kernelsBinary].find((name) => folderOf(name) === undefined);
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
  if (import.meta.url.endsWith('.ts')) {
    folders.push(
      path.join(here, '../../../dist/wasm'),
      path.dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm')),
    );
  }
  return folders.find((folder) => existsSync(path.join(folder, binary)));
}
