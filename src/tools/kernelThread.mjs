// Bundles the threads that run kernels, and lays out the binaries that they read beside them.
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import esbuild from 'esbuild';
import { fromRoot } from './paths.mjs';
import { withSharedMemory } from './sharedMemory.mjs';
import { StepError } from './system.mjs';
import { wgslVersion } from './wgsl.mjs';

/** What all bundles for Node have in common. @satisfies {import('esbuild').BuildOptions} */
export const nodeBundle = {
  absWorkingDir: fromRoot(),
  bundle: true,
  /** @type {'node'} */
  platform: 'node',
  target: 'node20',
  /** @type {'cjs'} */
  format: 'cjs',
  // Stack traces and tfjs's error messages name functions and classes.
  keepNames: true,
  // tfjs's CommonJS builds register no gradients, and its modules cannot be loaded by Node unbundled.
  mainFields: ['module', 'main'],
  external: ['vscode', '@tensorflow/tfjs-node-gpu', 'webgpu'],
  define: {
    'process.env.NODE_ENV': '"production"',
    'process.env.DCNET_WGSL_VERSION': JSON.stringify(wgslVersion()),
    'import.meta.url': 'importMetaUrl',
  },
  banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
};

/** Its entry and where it goes. */
export const kernelThread = {
  entryPoints: ['src/engine/backend/crewThread.ts'],
  outfile: 'dist/kernelThread.js',
};

/** For programs that run from source: the threads do not. */
export async function bundleKernelThread() {
  await copyWasm();
  await esbuild.build({ ...nodeBundle, ...kernelThread });
}

/** tfjs's WebAssembly binaries are read at run time, from beside the bundles. */
export async function copyWasm() {
  const from = fromRoot('node_modules/@tensorflow/tfjs-backend-wasm/dist');
  const to = fromRoot('dist/wasm');
  await mkdir(to, { recursive: true });
  const binaries = (await readdir(from)).filter((name) => name.endsWith('.wasm'));
  if (binaries.length === 0) throw new StepError(`There is no .wasm file in ${from}`, 'Run: npm ci');
  await Promise.all(
    binaries.map(async (name) => {
      // The one for threads has a memory that it is given.
      if (name.includes('threaded')) return copyFile(path.join(from, name), path.join(to, name));
      return writeFile(path.join(to, name), withSharedMemory(await readFile(path.join(from, name))));
    }),
  );
}
