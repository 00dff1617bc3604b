import { compileKernels } from '../../src/tools/kernels.mjs';
import { bundleKernelThread } from '../../src/tools/kernelThread.mjs';

/** vitest's global set-up: the engine's tests run from source, but its kernels are compiled and its threads bundled. */
export async function setup(): Promise<void> {
  await compileKernels();
  await bundleKernelThread();
}
