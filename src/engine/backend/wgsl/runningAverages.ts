import * as tf from '@tensorflow/tfjs-core';
import type { AveragesAttributes } from '../../layers/runningAverage.js';
import type { DawnBackend } from '../dawnBackend.js';

const threads = 256;

/** What the kernel takes: `weight`, a scalar, and `average0`, `value0` and so on. */
export type AveragesTensors = Readonly<Record<string, tf.TensorInfo>>;

/** As `updateRunningAverages` has it, of the averages of one layer at once. */
const code = (count: number): string => `
override decay: f32;
override gain: f32; // 1 − decay

@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) thread: vec3u) {
  let i = thread.x;
  let next = weight[0] * decay + gain;
  let rate = gain / next;
  if (i == 0u) {
    nextWeight[0] = next;
  }
  ${Array.from(
    { length: count },
    (_, n) => `if (i < sizes.length${n}) {
    next${n}[i] = average${n}[i] + (value${n}[i] - average${n}[i]) * rate;
  }`,
  ).join('\n  ')}
}
`;

/**
 * w and the averages after a step; in one kernel, that has 2 + 3 tensors for each average: two averages on a device that
 * allows eight.
 */
export function runningAverages(
  backend: DawnBackend,
  inputs: AveragesTensors,
  { count, decay }: AveragesAttributes,
): tf.TensorInfo[] {
  const numbers = Array.from({ length: count }, (_, n) => n);
  const shapes = numbers.map((n) => inputs[`average${n}`]!.shape);
  const lengths = shapes.map((shape) => tf.util.sizeFromShape(shape));
  const outputs = {
    nextWeight: backend.output([]),
    ...Object.fromEntries(shapes.map((shape, n) => [`next${n}`, backend.output(shape)])),
  };
  backend.dispatch({
    kernel: { name: `running averages ${count}`, write: () => code(count) },
    constants: { decay, gain: 1 - decay },
    sizes: Object.fromEntries(lengths.map((length, n) => [`length${n}`, length])),
    inputs,
    outputs,
    groups: [Math.ceil(Math.max(...lengths) / threads), 1, 1],
  });
  return Object.values(outputs);
}
