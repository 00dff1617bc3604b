/** What the engine uses of WebAssembly: Node has it, but its types come with the DOM's, which the engine lacks. */
declare namespace WebAssembly {
  function validate(bytes: Uint8Array): boolean;
  class Memory {
    /** @param sizes in pages of 64 kB */
    constructor(sizes: { readonly initial: number; readonly maximum: number; readonly shared: true });
    /** Of a shared memory: what lies in it may be written by other threads at any time. */
    readonly buffer: SharedArrayBuffer;
    grow(pages: number): number;
  }
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, Memory>>);
    readonly exports: Record<string, unknown>;
  }
}
