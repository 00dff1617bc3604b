import type { KernelExports } from './kernelCalls.js';
import type { KernelMemory } from './kernelModule.js';

const pageBytes = 2 ** 16;
const alignment = 16;
/** Values behind each piece that kernels may read, four at a time, but never use. */
const readBeyond = 4;

/** Our kernels in a memory of their own: values of other backends are copied into it. */
export class OwnKernels implements KernelMemory {
  readonly kernels: KernelExports;
  readonly #memory = new WebAssembly.Memory({ initial: 1, maximum: 2 ** 16, shared: true });
  /** What lies behind is free; nothing lies at 0. */
  #end = alignment;

  /** @param bytes of the module */
  constructor(bytes: Uint8Array<ArrayBuffer>) {
    const compiled = new WebAssembly.Module(bytes);
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory: this.#memory } });
    this.kernels = exports as unknown as KernelExports;
    this.kernels.placeConstants(this.#allocate(this.kernels.constantFloats()));
  }

  view(address: number, length: number): Float32Array {
    return new Float32Array(this.#memory.buffer, address, length);
  }

  withScratch<T>(length: number, use: (address: number) => T): T {
    const end = this.#end;
    try {
      return use(this.#allocate(length));
    } finally {
      this.#end = end;
    }
  }

  #allocate(length: number): number {
    const address = this.#end;
    const bytes = (length + readBeyond) * Float32Array.BYTES_PER_ELEMENT;
    this.#end = Math.ceil((address + bytes) / alignment) * alignment;
    const missing = this.#end - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / pageBytes));
    return address;
  }
}
