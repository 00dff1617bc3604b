import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setWasmPaths, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { DcnetError } from '../../core/errors.js';
import type { RuntimeReport } from '../../protocol/engine.js';
import { registerFusedKernels } from './fusedWasm.js';
import { registerGradientKernels } from './gradientKernels.js';
import { KernelModule } from './kernelModule.js';
import { repairAveragePoolGradient, repairConvolutionPadding } from './repairs.js';

const plainBinary = 'tfjs-backend-wasm.wasm';
const kernelsBinary = 'dcnet-kernels.wasm';

/**
 * Tell tfjs where its binaries are; before its backend starts.
 * @throws DcnetError `backend` where a binary is missing
 */
export function prepareWasm(): void {
  const missing = [plainBinary, kernelsBinary].find((name) => folderOf(name) === undefined);
  if (missing !== undefined) {
    throw new DcnetError({
      code: 'backend',
      message: `A WebAssembly file of the tensor library is missing: ${bundledFolder()} has no ${missing}.`,
      remedy: 'Install the extension again, or run npm run build in a clone.',
    });
  }
  // tfjs refuses a change of paths after a failed start, and keeps the first ones after a good one.
  if (!completed) setWasmPaths(`${folderOf(plainBinary)}${path.sep}`);
}

let completed = false;

/** Give the started backend the kernels it lacks or has slowly; once a process. */
export function completeWasm(): void {
  if (completed) return;
  const module = KernelModule.load(path.join(folderOf(kernelsBinary) ?? '', kernelsBinary));
  repairConvolutionPadding();
  repairAveragePoolGradient('wasm');
  registerGradientKernels(module);
  registerFusedKernels(module);
  completed = true;
}

/** What the WebAssembly backend runs on. */
export async function wasmDevice(): Promise<string> {
  return (await hasSimd())
    ? 'CPU (WebAssembly SIMD, one thread)'
    : 'CPU (WebAssembly without SIMD, one thread)';
}

export async function probeWasm(): Promise<RuntimeReport> {
  const report = { name: 'wasm', version: version_wasm };
  const missing = [plainBinary, kernelsBinary].find((name) => folderOf(name) === undefined);
  if (missing === undefined) return { ...report, available: true, device: await wasmDevice() };
  const reason = `${bundledFolder()} has no ${missing}: install the extension again, or run npm run build in a clone.`;
  return { ...report, available: false, reason };
}

async function hasSimd(): Promise<boolean> {
  return (await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')) === true;
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
