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
  'constants.ts',
  'convolution.ts',
  'filterGradient.ts',
  'inspection.ts',
  'maxPool.ts',
  'patchNorms.ts',
  'product.ts',
  'winograd.ts',
];

/** The module in two versions: the second for processors and Node.js versions that multiply and add in one instruction. */
const versions = {
  'dcnet-kernels.wasm': ['simd', 'threads'],
  'dcnet-kernels-relaxed.wasm': ['simd', 'threads', 'relaxed-simd'],
};

/** Of 64 KiB: all that addresses of 32 bits reach. */
const largestPages = 2 ** 16;

/** Compile the kernels, unless they are newer than their sources. */
export async function compileKernels(outFolder = fromRoot('dist/wasm')) {
  await mkdir(outFolder, { recursive: true });
  for (const [name, features] of Object.entries(versions))
    await compile(path.join(outFolder, name), features);
}

/**
 * @param {string} outFile
 * @param {readonly string[]} features of WebAssembly that its instructions need
 */
async function compile(outFile, features) {
  if (await isCurrent(outFile, sources)) return;
  // As a program of its own: its types would declare AssemblyScript's globals for all tools.
  const { code, stdout, stderr } = await runNode(
    'node_modules/assemblyscript/bin/asc.js',
    [
      ...entries.map((entry) => path.relative(fromRoot(), path.join(sources, entry))),
      '--baseDir',
      fromRoot(),
      '--outFile',
      path.relative(fromRoot(), outFile),
      ...['-Ospeed', '--noAssert', '--disableWarning', '112'],
      ...features.flatMap((feature) => ['--enable', feature]),
      // The kernels work in tfjs's memory, on several threads: they may have no memory, data or allocator of their own.
      ...['--runtime', 'stub', '--importMemory', '--noExportMemory', '--use', 'abort='],
      ...['--sharedMemory', '--maximumMemory', String(largestPages)],
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
