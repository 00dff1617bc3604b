import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setWasmPaths, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { DcnetError } from '../../core/errors.js';
import type { RuntimeReport } from '../../protocol/engine.js';
import { registerConvolutionGradients } from './convolutionGradients.js';

const plainBinary = 'tfjs-backend-wasm.wasm';

let prepared = false;

/**
 * Tell tfjs where its binaries are and give it the kernels it lacks; once a process.
 * @returns the backend's version
 * @throws DcnetError `backend` where the binaries are missing
 */
export function prepareWasm(): string {
  if (prepared) return version_wasm;
  const folder = wasmFolder();
  if (folder === undefined) {
    throw new DcnetError({
      code: 'backend',
      message: `The WebAssembly files of the tensor library are missing: ${bundledFolder()} has no ${plainBinary}.`,
      remedy: 'Install the extension again, or run npm run build in a clone.',
    });
  }
  setWasmPaths(`${folder}${path.sep}`);
  registerConvolutionGradients();
  prepared = true;
  return version_wasm;
}

/** What the WebAssembly backend runs on. */
export async function wasmDevice(): Promise<string> {
  return (await hasSimd())
    ? 'CPU (WebAssembly SIMD, one thread)'
    : 'CPU (WebAssembly without SIMD, one thread)';
}

export async function probeWasm(): Promise<RuntimeReport> {
  const report = { name: 'wasm', version: version_wasm };
  if (wasmFolder() === undefined)
    return {
      ...report,
      available: false,
      reason: `${bundledFolder()} has no ${plainBinary}: install again.`,
    };
  return { ...report, available: true, device: await wasmDevice() };
}

async function hasSimd(): Promise<boolean> {
  return (await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')) === true;
}

/** Beside the bundled engine. */
function bundledFolder(): string {
  return path.join(path.dirname(fileURLToPath(import.meta.url)), 'wasm');
}

/** Beside the bundle, or in the package when run from source. */
function wasmFolder(): string | undefined {
  const folders = [bundledFolder()];
  try {
    const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
    folders.push(path.dirname(main));
  } catch {
    // An installed extension has no packages beside it: only the bundle's folder counts.
  }
  return folders.find((folder) => existsSync(path.join(folder, plainBinary)));
}
