// Compiles the tensor kernels (AssemblyScript) to the WebAssembly module that the engine loads beside tfjs's.
import { mkdir, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { fromRoot } from './paths.mjs';
import { runNode, StepError } from './system.mjs';

const sources = fromRoot('src/engine/backend/kernels');
/** What these files export, the module exports; the others there are their helpers. */
const entries = [
  'adam.ts',
  'batchNorm.ts',
  'convolution.ts',
  'filterGradient.ts',
  'inspection.ts',
  'maxPool.ts',
  'patchNorms.ts',
  'product.ts',
];

/**
 * Compile the kernels, unless `outFile` is newer than their sources.
 * @param {string} outFile
 */
export async function compileKernels(outFile = fromRoot('dist/wasm/dcnet-kernels.wasm')) {
  if (await isCurrent(outFile, sources)) return;
  await mkdir(path.dirname(outFile), { recursive: true });
  // As a program of its own: its types would declare AssemblyScript's globals for all tools.
  const { code, stdout, stderr } = await runNode(
    'node_modules/assemblyscript/bin/asc.js',
    [
      ...entries.map((entry) => path.relative(fromRoot(), path.join(sources, entry))),
      '--baseDir',
      fromRoot(),
      '--outFile',
      path.relative(fromRoot(), outFile),
      ...['-Ospeed', '--noAssert', '--enable', 'simd', '--disableWarning', '112'],
      // The kernels work in tfjs's memory: they may have no memory, data or allocator of their own.
      ...['--runtime', 'stub', '--importMemory', '--noExportMemory', '--use', 'abort='],
    ],
    { output: 'capture' },
  );
  if (code !== 0)
    throw new StepError(
      `The tensor kernels do not compile:\n${stdout}${stderr}`,
      'The messages say what and where.',
    );
}

/**
 * Whether a compiled file is newer than all of its sources.
 * @param {string} outFile
 * @param {string} sources a folder
 */
export async function isCurrent(outFile, sources) {
  const out = await stat(outFile).catch(() => undefined);
  if (out === undefined) return false;
  const times = await Promise.all(
    (await readdir(sources)).map(async (name) => (await stat(path.join(sources, name))).mtimeMs),
  );
  return times.every((time) => time < out.mtimeMs);
}
