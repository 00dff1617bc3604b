import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Take all of the memory that the wasm backend in use may have, but a little. None of it is touched, so that the machine
 * does not need it.
 * @param spared bytes
 * @returns gives it back
 */
export function takeMemory(spared: number): () => void {
  const { wasm } = tf.backend() as BackendWasm;
  const { _malloc, _free } = wasm as unknown as { _malloc(bytes: number): number; _free(at: number): void };
  const taken: number[] = [];
  const kept = _malloc(spared);
  for (let bytes = 2 ** 30; bytes >= 2 ** 16; bytes /= 2)
    for (;;)
      try {
        taken.push(_malloc(bytes));
      } catch {
        break;
      }
  _free(kept);
  return () => {
    for (const address of taken) _free(address);
  };
}
