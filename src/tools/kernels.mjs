// Compiles the tensor kernels (AssemblyScript) to the WebAssembly module that the engine loads beside tfjs's.
import { mkdir, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import asc from 'assemblyscript/asc';
import { fromRoot } from './paths.mjs';

const sources = fromRoot('src/engine/backend/kernels');
/** What these files export, the module exports; the others there are their helpers. */
const entries = ['batchNorm.ts', 'filterGradient.ts', 'maxPool.ts', 'patchNorms.ts', 'product.ts'];

/**
 * Compile the kernels, unless `outFile` is newer than their sources.
 * @param {string} outFile
 */
export async function compileKernels(outFile = fromRoot('dist/wasm/dcnet-kernels.wasm')) {
  if (await isCurrent(outFile)) return;
  await mkdir(path.dirname(outFile), { recursive: true });
  const { error, stderr } = await asc.main([
    ...entries.map((entry) => path.relative(fromRoot(), path.join(sources, entry))),
    '--baseDir',
    fromRoot(),
    '--outFile',
    path.relative(fromRoot(), outFile),
    ...['-Ospeed', '--noAssert', '--enable', 'simd', '--disableWarning', '112'],
    // The kernels work in tfjs's memory: they may have no memory, data or allocator of their own.
    ...['--runtime', 'stub', '--importMemory', '--noExportMemory', '--use', 'abort='],
  ]);
  if (error) throw new Error(`The tensor kernels do not compile:\n${stderr.toString()}`, { cause: error });
}

/** @param {string} outFile */
async function isCurrent(outFile) {
  const out = await stat(outFile).catch(() => undefined);
  if (out === undefined) return false;
  const times = await Promise.all(
    (await readdir(sources)).map(async (name) => (await stat(path.join(sources, name))).mtimeMs),
  );
  return times.every((time) => time < out.mtimeMs);
}
