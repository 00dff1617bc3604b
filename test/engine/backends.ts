import { describe, test } from 'vitest';
import { openDawn } from '../../src/engine/backend/dawn.js';
import { backendNameSchema } from '../../src/protocol/engine.js';

// What follows the backend imports this file. `npm test` runs exactly the files that do once more on TensorFlow: a test
// that names its backend itself, or needs none, would do the very same again.

/** The backend that the engine's tests run on: WebAssembly, or what `DCNET_TEST_BACKEND` names. */
export const testBackend = backendNameSchema.exclude(['cpu']).parse(process.env.DCNET_TEST_BACKEND ?? 'wasm');

/** That one, and the usual time the reference, too: on another backend the reference computes nothing new. */
export const testBackends: readonly ('cpu' | typeof testBackend)[] =
  process.env.DCNET_TEST_BACKEND === undefined ? [testBackend, 'cpu'] : [testBackend];

/** Whether a program stands in for the GPU that the tests run on: what a GPU does in a moment takes it seconds. */
export async function isOnSimulatedGpu(): Promise<boolean> {
  if (testBackend !== 'webgpu') return false;
  const dawn = await openDawn();
  return dawn.available && dawn.adapter.info.isFallbackAdapter;
}

/** Tests of one backend alone. On another there is one skipped test in their place, which says so. */
export function describeOn(backend: typeof testBackend, name: string, define: () => void): void {
  describe(name, () => {
    if (testBackend === backend) define();
    else test('all of it', ({ skip }) => skip(`this is about the ${backend} backend`));
  });
}
