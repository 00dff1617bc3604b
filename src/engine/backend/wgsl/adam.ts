import * as tf from '@tensorflow/tfjs-core';
import type { AdamAttributes } from '../../training/adamStep.js';
import type { DawnBackend } from '../dawnBackend.js';
import { inLine, lineOfGroups } from './kernel.js';

const threads = 256;

/** What the kernel takes: `learningRate`, `power1` and `power2`, scalars, and `value0`, `first0`, `second0`, `gradient0` and so on. */
export type AdamTensors = Readonly<Record<string, tf.TensorInfo>>;

/** As the kernel of WebAssembly has it, of some weights at once. */
const code = (count: number): string => `
${lineOfGroups}
override beta1: f32;
override beta2: f32;
override epsilon: f32;

@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = groupIndex(group) * ${threads}u + lane;
  let rate = rates[0];
  let correction1 = rates[1];
  let correction2 = rates[2];
  ${Array.from(
    { length: count },
    (_, n) => `if (i < sizes.length${n}) {
    let g = gradient${n}[i];
    let m = beta1 * first${n}[i] + (1.0 - beta1) * g;
    let v = beta2 * second${n}[i] + (1.0 - beta2) * g * g;
    first${n}[i] = m;
    second${n}[i] = v;
    next${n}[i] = value${n}[i] - rate * (m / correction1 / (sqrt(v / correction2) + epsilon));
  }`,
  ).join('\n  ')}
}
`;

/** A weight's value, gradient and moments, and its new value. */
const tensorsOfWeight = 5;

/**
 * A step of Adam of all weights: the new values, then the first and the second moments, which are the given ones with
 * other values: nothing but the optimiser has them, and a kernel takes the more weights the fewer tensors they have. As
 * many as the device allows beside the rates: one weight where it allows eight tensors, three where it allows sixteen.
 */
export function adamStep(
  backend: DawnBackend,
  inputs: AdamTensors,
  { count, beta1, beta2, epsilon }: AdamAttributes,
): tf.TensorInfo[] {
  // No kernel reads them: their values are at hand.
  const number = (name: string): number => backend.readSync(inputs[name]!.dataId)[0] as number;
  const rates = backend.makeTensorInfo(
    [3],
    'float32',
    Float32Array.of(number('learningRate'), 1 - number('power1'), 1 - number('power2')),
  );
  const most = backend.device.limits.maxStorageBuffersPerShaderStage;
  const together = Math.floor((most - 1) / tensorsOfWeight);
  const weights = Array.from({ length: count }, (_, i) => ({
    length: tf.util.sizeFromShape(inputs[`value${i}`]!.shape),
    value: inputs[`value${i}`]!,
    gradient: inputs[`gradient${i}`]!,
    first: inputs[`first${i}`]!,
    second: inputs[`second${i}`]!,
    next: backend.output(inputs[`value${i}`]!.shape),
  }));
  for (let start = 0; start < count; start += together) {
    const some = weights.slice(start, start + together);
    const numbered = <Name extends keyof (typeof weights)[number]>(...names: Name[]) =>
      Object.fromEntries(some.flatMap((weight, n) => names.map((name) => [name + n, weight[name]] as const)));
    backend.dispatch({
      kernel: { name: `adam ${some.length}`, write: () => code(some.length) },
      constants: { beta1, beta2, epsilon },
      sizes: numbered('length'),
      inputs: { rates, ...numbered('value', 'gradient') },
      outputs: numbered('next'),
      updated: numbered('first', 'second'),
      groups: inLine(Math.ceil(Math.max(...some.map(({ length }) => length)) / threads)),
    });
  }
  backend.disposeData(rates.dataId);
  const moments = [...weights.map(({ first }) => first), ...weights.map(({ second }) => second)];
  for (const { dataId } of moments) backend.incRef(dataId);
  return [...weights.map(({ next }) => next), ...moments];
}
