import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { Crew } from './crew.js';
import { type KernelExports, type KernelTask, runTask } from './kernelCalls.js';

/** What we use of tfjs's module, which its types leave out. */
interface Emscripten {
  /** The instance's exports. */
  readonly asm: { readonly memory: WebAssembly.Memory };
  _malloc(bytes: number): number;
  _free(address: number): void;
}

/** Our kernels, and the memory that they work in. */
export interface KernelMemory {
  readonly kernels: KernelExports;
  /** Values at an address; not valid any more once memory is allocated. */
  view(address: number, length: number): Float32Array;
  /** Run `use` with memory for some float32 values, freed afterwards. */
  withScratch<T>(length: number, use: (address: number) => T): T;
}

/** Rows or images, one after another. */
export interface Stretch {
  readonly first: number;
  readonly count: number;
}

/** Tasks for each thread: whoever is done early takes another one. */
const tasksOfThread = 4;

/** Our kernels, working in the memory of tfjs's wasm backend. */
export class KernelModule implements KernelMemory {
  #crew: Crew | undefined;
  /** By their number of threads: those that are not in use sleep. */
  readonly #crews = new Map<number, Crew>();

  private constructor(
    private readonly backend: BackendWasm,
    private readonly emscripten: Emscripten,
    private readonly compiled: WebAssembly.Module,
    readonly kernels: KernelExports,
  ) {}

  /** Load the module of these bytes into the wasm backend in use. */
  static load(bytes: Uint8Array<ArrayBuffer>): KernelModule {
    const backend = tf.backend() as BackendWasm;
    const emscripten = backend.wasm as unknown as Emscripten;
    const compiled = new WebAssembly.Module(bytes);
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory: emscripten.asm.memory } });
    const module = new KernelModule(backend, emscripten, compiled, exports as unknown as KernelExports);
    module.kernels.placeConstants(module.allocate(module.kernels.constantFloats()));
    return module;
  }

  /** A new tensor; its values are whatever the memory held. */
  output(shape: readonly number[]): tf.TensorInfo {
    return this.backend.makeOutput([...shape], 'float32');
  }

  /** A new tensor of zeros. */
  zeros(shape: readonly number[]): tf.TensorInfo {
    const tensor = this.output(shape);
    this.values(tensor).fill(0);
    return tensor;
  }

  /** Another tensor in the memory of one that is there, which stays as long as either. */
  share({ dataId, shape, dtype }: tf.TensorInfo): tf.TensorInfo {
    this.backend.incRef(dataId);
    return { dataId, shape, dtype };
  }

  /** Where a tensor's values begin. */
  address({ dataId }: tf.TensorInfo): number {
    return this.backend.dataIdMap.get(dataId).memoryOffset;
  }

  /** A tensor's values where they lie; not valid any more once memory is allocated. */
  values(tensor: tf.TensorInfo): Float32Array {
    return this.backend.typedArrayFromHeap(tensor) as Float32Array;
  }

  view(address: number, length: number): Float32Array {
    return new Float32Array(this.emscripten.asm.memory.buffer, address, length);
  }

  withScratch<T>(length: number, use: (address: number) => T): T {
    const address = this.allocate(length);
    try {
      return use(address);
    } finally {
      this.emscripten._free(address);
    }
  }

  /** Threads that run tasks. */
  get threads(): number {
    return this.#crew?.count ?? 1;
  }

  /** From now on so many threads run tasks, this one included. Results do not depend on it, to the last bit. */
  useThreads(count: number): void {
    this.#crew = count === 1 ? undefined : (this.#crews.get(count) ?? this.#crewOf(count));
  }

  #crewOf(count: number): Crew {
    const tables = Array.from({ length: count - 1 }, () => this.allocate(this.kernels.constantFloats()));
    const crew = new Crew(this.compiled, this.emscripten.asm.memory, tables);
    this.#crews.set(count, crew);
    return crew;
  }

  /**
   * Run tasks, in any order, on all threads, and return when all are done.
   * @param scratch floats that each thread has for itself, at `scratchAt`
   */
  run(tasks: readonly KernelTask[], scratch = 0): void {
    const crew = tasks.length > 1 ? this.#crew : undefined;
    const bytes = Math.ceil((scratch * Float32Array.BYTES_PER_ELEMENT) / lineBytes) * lineBytes;
    const threads = crew?.count ?? 1;
    const runAll = (address: number): void => {
      if (crew === undefined) for (const task of tasks) runTask(this.kernels, task, address);
      else crew.run(this.kernels, tasks, [address, bytes]);
    };
    if (scratch === 0) runAll(0);
    else this.withScratch((threads * bytes) / Float32Array.BYTES_PER_ELEMENT, runAll);
  }

  /**
   * Some stretches for each thread; for what comes out the same however it is divided.
   * @param least that are worth a task
   */
  stretchesOf(count: number, least: number): readonly Stretch[] {
    return stretches(count, least, this.threads === 1 ? 1 : this.threads * tasksOfThread);
  }

  /** Memory for some float32 values. */
  private allocate(length: number): number {
    return this.emscripten._malloc(length * Float32Array.BYTES_PER_ELEMENT) >>> 0;
  }
}

/** What two threads write to lies in different lines of their caches. */
const lineBytes = 64;

/** At most so many stretches, about equal, each of at least so many; one where there are fewer. */
function stretches(count: number, least: number, most: number): readonly Stretch[] {
  const parts = Math.max(1, Math.min(most, Math.floor(count / least)));
  const at = (part: number): number => Math.floor((part * count) / parts);
  return Array.from({ length: parts }, (_, part) => ({ first: at(part), count: at(part + 1) - at(part) }));
}

/** Values below which a task costs what it saves. */
const leastValues = 2 ** 14;

/** Rows or images of so many values that are worth a task. */
export const leastOf = (values: number): number => Math.ceil(leastValues / values);

/** The same for any number of threads, for sums: their order decides on the last bit. */
export const sharesOf = (count: number, least: number): readonly Stretch[] => stretches(count, least, 16);
