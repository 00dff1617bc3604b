/** The backend that the engine's tests run on: WebAssembly, or what `DCNET_TEST_BACKEND` names. */
export const testBackend: 'wasm' | 'tensorflow' =
  process.env.DCNET_TEST_BACKEND === 'tensorflow' ? 'tensorflow' : 'wasm';

/** That one and the reference. */
export const testBackends = [testBackend, 'cpu'] as const;
