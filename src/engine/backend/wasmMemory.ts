import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';

/** The part of tfjs's module that allocates, which its types leave out. */
interface Allocator {
  _malloc(bytes: number): number;
  _free(address: number): void;
}

/** A module's addresses have 32 bits, and what it is asked for is cut to as many: more would be granted as a little. */
const mostBytes = 2 ** 32 - 1;

/** What tfjs's engine knows of the tensors there are; private there. */
interface KnownTensors {
  readonly tensorInfo: WeakMap<tf.DataId, unknown>;
}

/**
 * Make an allocation that fails an error after which everything goes on. tfjs takes the address 0 of a failed one for a
 * tensor's, and its kernels then write over whatever lies there; and what the kernels under way had allocated for
 * their results belongs to no scope that would free it: it is freed before the next allocation.
 */
export function surviveFailedAllocations(backend: BackendWasm): void {
  const live = followDataIds(backend);
  const allocator = backend.wasm as unknown as Allocator;
  // The first call of the generated function puts the real one in its place.
  allocator._free(allocator._malloc(1));
  const allocate = allocator._malloc;
  let failed = false;
  allocator._malloc = (bytes) => {
    if (failed) disposeUnknown(backend, live);
    failed = false;
    const address = bytes > mostBytes ? 0 : allocate(bytes);
    if (address !== 0 || bytes === 0) return address;
    failed = true;
    throw new Error(`The wasm backend is out of memory (it cannot allocate ${bytes} bytes more).`);
  };
}

/** Everything in the backend's memory, kept up to date: its own map cannot be gone through. */
function followDataIds({ dataIdMap }: BackendWasm): ReadonlySet<tf.DataId> {
  const live = new Set<tf.DataId>();
  const set = dataIdMap.set.bind(dataIdMap);
  const remove = dataIdMap.delete.bind(dataIdMap);
  dataIdMap.set = (id, value) => {
    live.add(id);
    set(id, value);
  };
  dataIdMap.delete = (id) => {
    live.delete(id);
    return remove(id);
  };
  return live;
}

/** Between two kernels every tensor is known to tfjs's engine: the others were left by one that failed. */
function disposeUnknown(backend: BackendWasm, live: ReadonlySet<tf.DataId>): void {
  const { tensorInfo } = tf.engine().state as unknown as KnownTensors;
  for (const id of [...live]) if (!tensorInfo.has(id)) backend.disposeData(id, true);
}
