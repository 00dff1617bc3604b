// Bundles the threads that share a run's batches, and lays out the binaries that they read beside them.
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import esbuild from 'esbuild';
import { fromRoot } from './paths.mjs';
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
export const trainingWorker = {
  entryPoints: ['src/engine/parallel/worker.ts'],
  outfile: 'dist/trainingWorker.js',
};

/** For programs that run from source: the threads do not. */
export async function bundleTrainingWorker() {
  await copyWasm();
  await esbuild.build({ ...nodeBundle, ...trainingWorker });
}

/** tfjs's WebAssembly binaries are read at run time, from beside the bundles. */
export async function copyWasm() {
  const from = fromRoot('node_modules/@tensorflow/tfjs-backend-wasm/dist');
  const to = fromRoot('dist/wasm');
  await mkdir(to, { recursive: true });
  const binaries = (await readdir(from)).filter((name) => name.endsWith('.wasm'));
  if (binaries.length === 0) throw new StepError(`There is no .wasm file in ${from}`, 'Run: npm ci');
  await Promise.all(binaries.map((name) => copyFile(path.join(from, name), path.join(to, name))));
}
