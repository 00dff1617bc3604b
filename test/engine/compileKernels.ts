import { compileKernels } from '../../src/tools/kernels.mjs';

/** vitest's global set-up: the engine's tests run from source, but its kernels are compiled. */
export async function setup(): Promise<void> {
  await compileKernels();
}
