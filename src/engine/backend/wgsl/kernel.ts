import type * as tf from '@tensorflow/tfjs-core';

/** How the forward pass's activations and weights are kept inside a kernel; sums are float32 always. */
export type Storage = 'float32' | 'float16' | 'float16-simulated';

/** The WGSL of a kernel without its bindings, which its {@link Dispatch} names. */
export interface Kernel {
  /** Tells it from every other text, so that the text is written only once. */
  readonly name: string;
  /** Entry point `main`. */
  readonly write: () => string;
  /** Left out: float32. */
  readonly storage?: Storage;
}

type Named<T> = Readonly<Record<string, T>>;

/** One run of a kernel of ours. */
export interface Dispatch {
  readonly kernel: Kernel;
  /** Values of its overridable constants: known when it is compiled, once for each value. */
  readonly constants?: Named<number>;
  /** Fields of `sizes`, u32: those that a smaller batch changes, for which nothing is compiled anew. */
  readonly sizes?: Named<number>;
  /** By the names that the kernel reads them by, as arrays of f32. */
  readonly inputs: Named<tf.TensorInfo>;
  readonly outputs: Named<tf.TensorInfo>;
  /** Those that it reads and then writes. */
  readonly updated?: Named<tf.TensorInfo>;
  /** Workgroups in x, y and z. */
  readonly groups: readonly [number, number, number];
}

/** The whole WGSL: outputs, what is updated, inputs and sizes are bound in this order. */
export function shaderOf({ kernel, outputs, updated, inputs, sizes = {} }: Dispatch): string {
  const written = Object.keys({ ...outputs, ...updated });
  const names = [...written, ...Object.keys(inputs)];
  const tensors = names.map(
    (name, binding) =>
      `@group(0) @binding(${binding}) var<storage, ${binding < written.length ? 'read_write' : 'read'}> ${name}: array<f32>;\n`,
  );
  const fields = Object.keys(sizes);
  const uniform =
    fields.length === 0
      ? ''
      : `struct Sizes { ${fields.map((name) => `${name}: u32`).join(', ')} }
@group(0) @binding(${names.length}) var<uniform> sizes: Sizes;
`;
  return `${storageCode(kernel.storage ?? 'float32')}${tensors.join('')}${uniform}${kernel.write()}`;
}

/** WGSL of `Stored`, the type of what is kept, and `stored`, which rounds to it; float16 ends at ±65,504. */
function storageCode(storage: Storage): string {
  switch (storage) {
    case 'float32':
      return 'alias Stored = f32;\nfn stored(value: f32) -> f32 { return value; }\n';
    case 'float16':
      return 'enable f16;\nalias Stored = f16;\nfn stored(value: f32) -> f16 { return f16(clamp(value, -65504.0, 65504.0)); }\n';
    case 'float16-simulated':
      return 'alias Stored = f32;\nfn stored(value: f32) -> f32 { return quantizeToF16(clamp(value, -65504.0, 65504.0)); }\n';
  }
}

const groupsPerDimension = 65_535;

/** So many workgroups in a line, broken where a dimension is full; `groupIndex` of {@link lineOfGroups} counts them. */
export function inLine(groups: number): [number, number, number] {
  return [Math.min(groups, groupsPerDimension), Math.ceil(groups / groupsPerDimension), 1];
}

/** WGSL for a workgroup's number in the line that {@link inLine} breaks; it may be beyond the last. */
export const lineOfGroups = `
fn groupIndex(group: vec3u) -> u32 {
  return group.y * ${groupsPerDimension}u + group.x;
}
`;
