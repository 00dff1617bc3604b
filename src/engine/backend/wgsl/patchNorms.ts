import * as tf from '@tensorflow/tfjs-core';
import type { Window } from '../../operator/patchNorms.js';
import type { DawnBackend } from '../dawnBackend.js';
import { inLine, lineOfGroups } from './kernel.js';
import { groupSumCode, sumOf } from './sums.js';

/** Workgroups that share the patches out among them: so many keep a GPU busy, and their sums are soon added up. */
const mostParts = 512;

/** A workgroup is a square of this many threads a side: channels in x, patches or pixels in y. */
const side = 16;

const windowCode = `
override height: u32;
override width: u32;
override channels: u32;
override kernel: u32;
override stride: u32;
override top: u32;
override left: u32;
override outHeight: u32;
override outWidth: u32;
`;

/** WGSL of ‖x‖ of the patch of a line of threads, which the first of the line gets; in uniform control flow. */
const normCode = `
${windowCode}
override epsilon: f32;
var<workgroup> partial: array<array<f32, ${side}>, ${side}>;

fn normOf(patch_: u32, lane: vec3u) -> f32 {
  let image = patch_ / (outHeight * outWidth);
  let inImage = patch_ % (outHeight * outWidth);
  let firstRow = i32(inImage / outWidth * stride) - i32(top);
  let firstColumn = i32(inImage % outWidth * stride) - i32(left);
  var sum = 0.0;
  if (patch_ < sizes.count) {
    for (var row = max(firstRow, 0); row < min(firstRow + i32(kernel), i32(height)); row++) {
      for (var column = max(firstColumn, 0); column < min(firstColumn + i32(kernel), i32(width)); column++) {
        let pixel = ((image * height + u32(row)) * width + u32(column)) * channels;
        for (var channel = lane.x; channel < channels; channel += ${side}u) {
          let value = x[pixel + channel];
          sum += value * value;
        }
      }
    }
  }
  workgroupBarrier();
  partial[lane.y][lane.x] = sum;
  for (var half = ${side / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane.x < half) {
      partial[lane.y][lane.x] += partial[lane.y][lane.x + half];
    }
  }
  return sqrt(partial[lane.y][0] + epsilon);
}
`;

const norms = `
${normCode}${lineOfGroups}
@compute @workgroup_size(${side}, ${side})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let patch_ = groupIndex(group) * ${side}u + lane.y;
  let norm = normOf(patch_, lane);
  if (lane.x == 0u && patch_ < sizes.count) {
    norms[patch_] = norm;
  }
}
`;

const meanParts = `
${normCode}${groupSumCode('partial')}
@compute @workgroup_size(${side}, ${side})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groupCount: vec3u,
  @builtin(local_invocation_id) lane: vec3u,
) {
  var ofThread = 0.0;
  for (var first = group.x * ${side}u; first < sizes.count; first += groupCount.x * ${side}u) {
    let norm = normOf(first + lane.y, lane);
    if (lane.x == 0u && first + lane.y < sizes.count) {
      ofThread += norm;
    }
  }
  workgroupBarrier();
  let sum = groupSum(lane, ofThread);
  if (lane.x == 0u && lane.y == 0u) {
    parts[group.x] = sum / f32(sizes.count);
  }
}
`;

/** WGSL of `patchesWith`, `spread` and `spreadOver`, that sets it for the pixel of each line of threads. */
const spreadCode = (share: string): string => `
${windowCode}${lineOfGroups}
var<workgroup> spread: array<f32, ${side}>;

// The first of the patches of a line that hold a pixel, and the one after the last.
fn patchesWith(pixel: u32, before: u32, patches: u32) -> vec2u {
  let shifted = pixel + before;
  let first = select(0u, (shifted - kernel) / stride + 1u, shifted >= kernel);
  return vec2u(first, min(shifted / stride + 1u, patches));
}

// The sum over the patches that hold a pixel.
fn spreadOver(pixel: u32, lane: vec3u) {
  if (lane.x == 0u) {
    let image = pixel / (height * width);
    let rows = patchesWith(pixel / width % height, top, outHeight);
    let columns = patchesWith(pixel % width, left, outWidth);
    var sum = 0.0;
    if (pixel < sizes.count) {
      for (var row = rows.x; row < rows.y; row++) {
        for (var column = columns.x; column < columns.y; column++) {
          let patch_ = (image * outHeight + row) * outWidth + column;
          sum += ${share} / max(norms[patch_], 1e-30);
        }
      }
    }
    spread[lane.y] = sum;
  }
  workgroupBarrier();
}
`;

const gradient = `
${spreadCode('dn[patch_]')}
@compute @workgroup_size(${side}, ${side})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let pixel = groupIndex(group) * ${side}u + lane.y;
  spreadOver(pixel, lane);
  if (pixel < sizes.count) {
    for (var channel = lane.x; channel < channels; channel += ${side}u) {
      let index = pixel * channels + channel;
      dx[index] = x[index] * spread[lane.y];
    }
  }
}
`;

const meanGradient = `
${spreadCode('1.0')}
override parameters: u32;
var<workgroup> square: array<array<f32, ${side}>, ${side}>;
${groupSumCode('square')}
@compute @workgroup_size(${side}, ${side})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let pixel = groupIndex(group) * ${side}u + lane.y;
  ${sumOf('slope', 'parameters', 'rho[i] * byRho[i]')}
  spreadOver(pixel, lane);
  let share = slope / (norms[sizes.patches] * f32(sizes.patches));
  if (pixel < sizes.count) {
    for (var channel = lane.x; channel < channels; channel += ${side}u) {
      let index = pixel * channels + channel;
      dx[index] += x[index] * share * spread[lane.y];
    }
  }
}
`;

function windowConstants(shape: readonly number[], { kernel, stride, padding }: Window) {
  const info = tf.backend_util.computePool2DInfo(
    [...shape] as [number, number, number, number],
    kernel,
    stride,
    1,
    padding,
  );
  const { inHeight, inWidth, inChannels, padInfo, outHeight, outWidth } = info;
  return {
    height: inHeight,
    width: inWidth,
    channels: inChannels,
    kernel,
    stride,
    top: padInfo.top,
    left: padInfo.left,
    outHeight,
    outWidth,
  };
}

/**
 * √(Σ x² + ε) of every patch.
 * @param x [N, H, W, Cin]
 * @returns [N, H′, W′, 1]
 */
export function patchNorms(
  backend: DawnBackend,
  x: tf.TensorInfo,
  { epsilon, ...window }: Window & { readonly epsilon: number },
): tf.TensorInfo {
  const constants = windowConstants(x.shape, window);
  const out = backend.output([x.shape[0]!, constants.outHeight, constants.outWidth, 1]);
  const count = tf.util.sizeFromShape(out.shape);
  backend.dispatch({
    kernel: { name: 'patch norms', write: () => norms },
    constants: { ...constants, epsilon },
    sizes: { count },
    inputs: { x },
    outputs: { norms: out },
    groups: inLine(Math.ceil(count / side)),
  });
  return out;
}

/**
 * E‖x‖ in parts to be added up, of a convolution's patches.
 * @param x [N, H, W, Cin]
 * @returns [parts]
 */
export function meanNormParts(
  backend: DawnBackend,
  x: tf.TensorInfo,
  { epsilon, ...window }: Window & { readonly epsilon: number },
): tf.TensorInfo {
  const constants = windowConstants(x.shape, window);
  const count = x.shape[0]! * constants.outHeight * constants.outWidth;
  const parts = backend.output([Math.min(mostParts, Math.ceil(count / side))]);
  backend.dispatch({
    kernel: { name: 'patch norm mean', write: () => meanParts },
    constants: { ...constants, epsilon },
    sizes: { count },
    inputs: { x },
    outputs: { parts },
    groups: [parts.shape[0]!, 1, 1],
  });
  return parts;
}

/**
 * Adds to dx what it has through the E‖x‖ of R = ρ·E‖x‖: x · Σ 1/n over the patches that hold the pixel, times
 * Σ_F dR·ρ over their number, with dρ = dR·E‖x‖.
 * @param norms [N·H′·W′ + 1], whose last is E‖x‖
 * @param byRho dρ as ρ, [1] or [F]
 */
export function addMeanGradient(
  backend: DawnBackend,
  { dx, ...inputs }: Readonly<Record<'x' | 'norms' | 'rho' | 'byRho' | 'dx', tf.TensorInfo>>,
  window: Window,
): void {
  const { x, norms, rho } = inputs;
  const count = tf.util.sizeFromShape(x.shape) / x.shape[3]!;
  backend.dispatch({
    kernel: { name: 'patch norm mean gradient', write: () => meanGradient },
    constants: { ...windowConstants(x.shape, window), parameters: rho.shape[0]! },
    sizes: { count, patches: norms.shape[0]! - 1 },
    inputs,
    outputs: {},
    updated: { dx },
    groups: inLine(Math.ceil(count / side)),
  });
}

/** dx = x · Σ dn/n over the patches that hold the pixel. */
export function patchNormsGradient(
  backend: DawnBackend,
  { x, norms: given, dn }: Readonly<Record<'x' | 'norms' | 'dn', tf.TensorInfo>>,
  window: Window,
): tf.TensorInfo {
  const dx = backend.output(x.shape);
  const count = tf.util.sizeFromShape(x.shape) / x.shape[3]!;
  backend.dispatch({
    kernel: { name: 'patch norms gradient', write: () => gradient },
    constants: windowConstants(x.shape, window),
    sizes: { count },
    inputs: { x, norms: given, dn },
    outputs: { dx },
    groups: inLine(Math.ceil(count / side)),
  });
  return dx;
}
