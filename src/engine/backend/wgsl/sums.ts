import type * as tf from '@tensorflow/tfjs-core';
import type { DawnBackend } from '../dawnBackend.js';
import { side } from './matrixProduct.js';

const lanes = 256;
/** So many columns keep a GPU busy with a thread each. */
const manyColumns = 4096;

/** Each workgroup sums some columns: neighbouring threads read neighbouring columns, and share each column's rows. */
const code = `
override columns: u32;
override columnsAtOnce: u32;
override rowsAtOnce: u32;
var<workgroup> partial: array<f32, ${lanes}>;

@compute @workgroup_size(columnsAtOnce, rowsAtOnce)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let column = group.x * columnsAtOnce + lane.x;
  var sum = 0.0;
  if (column < columns) {
    for (var row = lane.y; row < sizes.rows; row += rowsAtOnce) {
      sum += x[row * columns + column];
    }
  }
  partial[lane.y * columnsAtOnce + lane.x] = sum;
  for (var half = rowsAtOnce / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane.y < half) {
      partial[lane.y * columnsAtOnce + lane.x] += partial[(lane.y + half) * columnsAtOnce + lane.x];
    }
  }
  if (lane.y == 0u && column < columns) {
    sums[column] = partial[lane.x];
  }
}
`;

/**
 * Sums over the rows of [rows, columns].
 * @returns of any shape with as many values as there are columns
 */
export function columnSums(
  backend: DawnBackend,
  x: tf.TensorInfo,
  rows: number,
  columns: number,
  shape: readonly number[],
): tf.TensorInfo {
  const sums = backend.output(shape);
  const rowsAtOnce = columns === 1 ? lanes : columns < manyColumns ? 16 : 1;
  const columnsAtOnce = lanes / rowsAtOnce;
  backend.dispatch({
    kernel: { name: 'column sums', write: () => code },
    constants: { columns, columnsAtOnce, rowsAtOnce },
    sizes: { rows },
    inputs: { x },
    outputs: { sums },
    groups: [Math.ceil(columns / columnsAtOnce), 1, 1],
  });
  return sums;
}

/**
 * WGSL of `groupSum`, the sum of a value of each thread of a square of 16 × 16, which all of them get; in uniform control
 * flow.
 * @param square a workgroup's array of 16 rows of as many floats or more, which is overwritten
 */
export function groupSumCode(square: string): string {
  return `
fn groupSum(lane: vec3u, value: f32) -> f32 {
  ${square}[lane.y][lane.x] = value;
  for (var half = ${side / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane.y < half) {
      ${square}[lane.y][lane.x] += ${square}[lane.y + half][lane.x];
    }
  }
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < ${side}u; i++) {
    sum += ${square}[0][i];
  }
  workgroupBarrier();
  return sum;
}
`;
}

/** WGSL that has `name` be the sum of `term` over i < `count`, in all threads of a square of 16 × 16; with `groupSum`. */
export function sumOf(name: string, count: string, term: string): string {
  return `
  var ${name}OfThread = 0.0;
  for (var i = lane.y * ${side}u + lane.x; i < ${count}; i += ${side * side}u) {
    ${name}OfThread += ${term};
  }
  let ${name} = groupSum(lane, ${name}OfThread);`;
}
