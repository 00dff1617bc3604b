import * as tf from '@tensorflow/tfjs-core';
import type { DawnBackend } from '../dawnBackend.js';
import { inLine, type Kernel, lineOfGroups } from './kernel.js';
import { columnSums } from './sums.js';

/** A workgroup that sums is a square of this many threads a side: channels in x, rows in y. */
const side = 16;
/** Workgroups that share the rows out among them: as many as one thread can add up. */
const shares = 256;
const threads = 256;

/**
 * WGSL of a pass that sums two terms of each value over the rows of [rows, channels], for each share of the rows by
 * itself.
 * @param terms sets `a` and `b` from `index` and `channel`
 */
function sumsCode(terms: string): string {
  return `
override channels: u32;
var<workgroup> partial: array<array<vec2f, ${side}>, ${side}>;

@compute @workgroup_size(${side}, ${side})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let channel = group.x * ${side}u + lane.x;
  let end = min(sizes.rows, (group.y + 1u) * sizes.share);
  var sum = vec2f(0.0);
  if (channel < channels) {
    for (var row = group.y * sizes.share + lane.y; row < end; row += ${side}u) {
      let index = row * channels + channel;
      ${terms}
      sum += vec2f(a, b);
    }
  }
  partial[lane.y][lane.x] = sum;
  for (var half = ${side / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane.y < half) {
      partial[lane.y][lane.x] += partial[lane.y + half][lane.x];
    }
  }
  if (lane.y == 0u && channel < channels) {
    sumsA[group.y * channels + channel] = partial[0][lane.x].x;
    sumsB[group.y * channels + channel] = partial[0][lane.x].y;
  }
}
`;
}

/** WGSL of a pass over each value of [rows, channels]. */
function eachCode(value: string): string {
  return `
${lineOfGroups}
override channels: u32;
override relu: u32; // 1 to cut at 0

@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = groupIndex(group) * ${threads}u + lane;
  if (index >= sizes.rows * channels) {
    return;
  }
  let channel = index % channels;
  ${value}
}
`;
}

// The squares are of distances to the channel's first value: a mean far from 0 would take their digits.
const momentSums = sumsCode('let a = x[index] - x[channel]; let b = a * a;');
const moments = `
override channels: u32;
override epsilon: f32;

@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) thread: vec3u) {
  let channel = thread.x;
  if (channel >= channels) {
    return;
  }
  var sum = vec2f(0.0);
  for (var part = 0u; part < sizes.parts; part++) {
    sum += vec2f(sumsA[part * channels + channel], sumsB[part * channels + channel]);
  }
  let distance = sum.x / f32(sizes.rows);
  let spread = max(sum.y / f32(sizes.rows) - distance * distance, 0.0);
  mean[channel] = x[channel] + distance;
  variance[channel] = spread;
  inverse[channel] = 1.0 / sqrt(spread + epsilon);
}
`;
const normalise = eachCode(
  `let normal = (x[index] - mean[channel]) * inverse[channel] * gamma[channel] + beta[channel];
  y[index] = select(normal, max(normal, 0.0), relu == 1u);`,
);
const affine = eachCode(
  `let value = x[index] * slope[channel] + shift[channel];
  y[index] = select(value, max(value, 0.0), relu == 1u);`,
);
const gradientSums = (relu: boolean): string =>
  sumsCode(
    `let a = ${relu ? 'select(0.0, dy[index], y[index] > 0.0)' : 'dy[index]'};
      let b = a * (x[index] - mean[channel]) * inverse[channel];`,
  );
const gradient = (relu: boolean): string =>
  eachCode(
    `let passed = ${relu ? 'select(0.0, dy[index], y[index] > 0.0)' : 'dy[index]'};
  let normal = (x[index] - mean[channel]) * inverse[channel];
  let tilted = passed - (byBeta[channel] + normal * byGamma[channel]) / f32(sizes.rows);
  dx[index] = tilted * gamma[channel] * inverse[channel];`,
  );

type Tensors = Readonly<Record<string, tf.TensorInfo>>;

function sizesOf({ shape }: tf.TensorInfo): { readonly rows: number; readonly channels: number } {
  const channels = shape.at(-1)!;
  return { rows: tf.util.sizeFromShape(shape) / channels, channels };
}

/** The two sums of {@link sumsCode}, each [parts, channels]. */
function sumInShares(
  backend: DawnBackend,
  kernel: Kernel,
  inputs: Tensors,
  { rows, channels }: { readonly rows: number; readonly channels: number },
): { readonly sums: readonly [tf.TensorInfo, tf.TensorInfo]; readonly parts: number } {
  const share = Math.ceil(rows / shares / side) * side;
  const parts = Math.ceil(rows / share);
  const sums = [backend.output([parts, channels]), backend.output([parts, channels])] as const;
  backend.dispatch({
    kernel,
    constants: { channels },
    sizes: { rows, share },
    inputs,
    outputs: { sumsA: sums[0], sumsB: sums[1] },
    groups: [Math.ceil(channels / side), parts, 1],
  });
  return { sums, parts };
}

function dispatchEach(
  backend: DawnBackend,
  kernel: Kernel,
  inputs: Tensors,
  outputs: Tensors,
  relu: boolean,
): void {
  const { rows, channels } = sizesOf(Object.values(outputs)[0]!);
  backend.dispatch({
    kernel,
    constants: { channels, relu: Number(relu) },
    sizes: { rows },
    inputs,
    outputs,
    groups: inLine(Math.ceil((rows * channels) / threads)),
  });
}

/** y, and each channel's mean, variance and 1/σ. */
export function batchNormalization(
  backend: DawnBackend,
  { x, gamma, beta }: Readonly<Record<'x' | 'gamma' | 'beta', tf.TensorInfo>>,
  { epsilon, relu }: { readonly epsilon: number; readonly relu: boolean },
): tf.TensorInfo[] {
  const sizes = sizesOf(x);
  const { sums, parts } = sumInShares(
    backend,
    { name: 'moment sums', write: () => momentSums },
    { x },
    sizes,
  );
  const [mean, variance, inverse] = [1, 2, 3].map(() => backend.output([sizes.channels])) as [
    tf.TensorInfo,
    tf.TensorInfo,
    tf.TensorInfo,
  ];
  backend.dispatch({
    kernel: { name: 'moments', write: () => moments },
    constants: { channels: sizes.channels, epsilon },
    sizes: { rows: sizes.rows, parts },
    inputs: { x, sumsA: sums[0], sumsB: sums[1] },
    outputs: { mean, variance, inverse },
    groups: [Math.ceil(sizes.channels / threads), 1, 1],
  });
  for (const { dataId } of sums) backend.disposeData(dataId);
  const y = backend.output(x.shape);
  const kernel = { name: 'normalise', write: () => normalise };
  dispatchEach(backend, kernel, { x, gamma, beta, mean, inverse }, { y }, relu);
  return [y, mean, variance, inverse];
}

/** dx, dγ, dβ. */
export function batchNormalizationGradient(
  backend: DawnBackend,
  {
    x,
    y,
    dy,
    gamma,
    mean,
    inverse,
  }: Readonly<Record<'x' | 'y' | 'dy' | 'gamma' | 'mean' | 'inverse', tf.TensorInfo>>,
  relu: boolean,
): tf.TensorInfo[] {
  const { rows, channels } = sizesOf(x);
  const cut: Tensors = relu ? { y } : {};
  const { sums, parts } = sumInShares(
    backend,
    { name: `normalisation gradient sums ${relu}`, write: () => gradientSums(relu) },
    { x, dy, mean, inverse, ...cut },
    { rows, channels },
  );
  const [byBeta, byGamma] = sums.map((partial) =>
    columnSums(backend, partial, parts, channels, [channels]),
  ) as [tf.TensorInfo, tf.TensorInfo];
  for (const { dataId } of sums) backend.disposeData(dataId);
  const dx = backend.output(x.shape);
  dispatchEach(
    backend,
    { name: `normalisation gradient ${relu}`, write: () => gradient(relu) },
    { x, dy, gamma, mean, inverse, byGamma, byBeta, ...cut },
    { dx },
    relu,
  );
  return [dx, byGamma, byBeta];
}

/** x·slope + shift per channel, cut at 0 if `relu`. */
export function channelAffine(
  backend: DawnBackend,
  { x, slope, shift }: Readonly<Record<'x' | 'slope' | 'shift', tf.TensorInfo>>,
  relu: boolean,
): tf.TensorInfo {
  const y = backend.output(x.shape);
  dispatchEach(backend, { name: 'affine', write: () => affine }, { x, slope, shift }, { y }, relu);
  return y;
}
