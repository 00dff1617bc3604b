import { backendNameSchema } from '../../src/protocol/engine.js';

/** The backend that the engine's tests run on: WebAssembly, or what `DCNET_TEST_BACKEND` names. */
export const testBackend = backendNameSchema.exclude(['cpu']).parse(process.env.DCNET_TEST_BACKEND ?? 'wasm');

/** That one and the reference. */
export const testBackends = [testBackend, 'cpu'] as const;
