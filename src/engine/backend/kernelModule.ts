import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';

type Kernel = (...parameters: number[]) => void;

/** What src/engine/backend/kernels exports; every parameter is a number, an address or a flag. */
export type KernelExports = Readonly<
  Record<
    | 'adamStep'
    | 'channelAffine'
    | 'channelMoments'
    | 'convolve'
    | 'convolveTiles'
    | 'countPairs'
    | 'filterGradient'
    | 'filterGradientOfTiles'
    | 'maxPoolGradient'
    | 'normalizationGradient'
    | 'normalizationSums'
    | 'packFilters'
    | 'packFlippedFilters'
    | 'patchNorms'
    | 'patchNormsGradient'
    | 'placeConstants'
    | 'productBackward'
    | 'productForward'
    | 'sumResponses'
    | 'transformFilters',
    Kernel
  > & { constantFloats(): number }
>;

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

/** Our kernels, working in the memory of tfjs's wasm backend. */
export class KernelModule implements KernelMemory {
  private constructor(
    private readonly backend: BackendWasm,
    private readonly emscripten: Emscripten,
    readonly kernels: KernelExports,
  ) {}

  /** Load the module of these bytes into the wasm backend in use. */
  static load(bytes: Uint8Array<ArrayBuffer>): KernelModule {
    const backend = tf.backend() as BackendWasm;
    const emscripten = backend.wasm as unknown as Emscripten;
    const compiled = new WebAssembly.Module(bytes);
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory: emscripten.asm.memory } });
    const module = new KernelModule(backend, emscripten, exports as unknown as KernelExports);
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

  /** Memory for some float32 values. */
  private allocate(length: number): number {
    return this.emscripten._malloc(length * Float32Array.BYTES_PER_ELEMENT) >>> 0;
  }
}
