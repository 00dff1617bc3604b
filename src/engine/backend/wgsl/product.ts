import * as tf from '@tensorflow/tfjs-core';
import type { OperatorFunctions } from '../../operator/decoupledProduct.js';
import type { DawnBackend } from '../dawnBackend.js';
import { inLine, lineOfGroups } from './kernel.js';
import { operatorCode, operatorConstants } from './operator.js';
import { recoveryCode } from './recovery.js';

/** What the product takes; R and k [1] or [F], where the operator has them. */
export interface ProductTensors {
  /** [N, H′, W′, F]. */
  readonly projection: tf.TensorInfo;
  /** [N, H′, W′, 1]. */
  readonly norms: tf.TensorInfo;
  readonly radius?: tf.TensorInfo;
  readonly k?: tf.TensorInfo;
}

const threads = 256;

type Parameter = 'radius' | 'rho' | 'k';
/** R, or the ρ of R = ρ·E‖x‖, and k, those that there are. */
export type Parameters = readonly (readonly [Parameter, tf.TensorInfo])[];

export function parametersOf(tensors: { readonly [name in Parameter]?: tf.TensorInfo }): Parameters {
  return (['radius', 'rho', 'k'] as const).flatMap((name) => {
    const tensor = tensors[name];
    return tensor === undefined ? [] : [[name, tensor] as const];
  });
}

/** Whether R is in mean patch norms. */
export function isAdaptive(parameters: Parameters): boolean {
  return parameters.some(([name]) => name === 'rho');
}

/** WGSL that reads R and k of a filter; 1 where there is none. With ρ, `main` has to set `meanNorm` first. */
export function parameterCode(given: Parameters): string {
  const read = (name: Parameter): string => {
    const tensor = given.find(([other]) => other === name)?.[1];
    if (tensor === undefined) return '1.0';
    return tensor.shape[0] === 1 ? `${name}[0]` : `${name}[filter_]`;
  };
  const radius = isAdaptive(given) ? 'rhoOf(filter_) * meanNorm' : read('radius');
  return `
var<private> meanNorm: f32; // E‖x‖
fn rhoOf(filter_: u32) -> f32 { return ${read('rho')}; }
fn radiusOf(filter_: u32) -> f32 { return ${radius}; }
fn kOf(filter_: u32) -> f32 { return ${read('k')}; }
`;
}

/** Tells kernels apart whose parameters differ. */
export function nameOf(parameters: Parameters): string {
  return parameters.map(([name, { shape }]) => (shape[0] === 1 ? `shared ${name}` : name)).join();
}

/** h(n)·g(c) of each value. */
export function product(
  backend: DawnBackend,
  tensors: ProductTensors,
  functions: OperatorFunctions,
): tf.TensorInfo {
  const { projection, norms } = tensors;
  const parameters = parametersOf(tensors);
  const write = (): string => `
${operatorCode}${parameterCode(parameters)}${lineOfGroups}
override filters: u32;

@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = groupIndex(group) * ${threads}u + lane;
  if (index >= sizes.size) {
    return;
  }
  let n = norms[index / filters];
  let u = projection[index];
  let h = magnitudeTerms(n, radiusOf(index % filters));
  if (angular == ANGULAR_COSINE) {
    y[index] = h.ratio * u;
  } else {
    y[index] = h.ratio * n * angularTerms(cosineOf(u, n), kOf(index % filters)).value;
  }
}
`;
  const y = backend.output(projection.shape);
  const size = tf.util.sizeFromShape(projection.shape);
  backend.dispatch({
    kernel: { name: `product ${nameOf(parameters)}`, write },
    constants: { ...operatorConstants(functions), filters: projection.shape[3]! },
    sizes: { size },
    inputs: { projection, norms, ...Object.fromEntries(parameters) },
    outputs: { y },
    groups: inLine(Math.ceil(size / threads)),
  });
  return y;
}

/** WGSL of `Slopes`, what dL/dy of a patch and a filter comes to. */
export const slopesDeclaration = `
struct Slopes {
  byProjection: f32,
  byNorm: f32, // the filter's share of the patch's
  along: f32, // ⟨dL/du, u⟩
  byRadius: f32, // or by ρ
  byK: f32,
}
`;

/**
 * WGSL of `slopesAt`, which computes {@link slopesDeclaration} of a patch and a filter from `dy`, `norms` and the
 * projection, or y, from which it is recovered; with `filters`.
 */
export function slopesCode(parameters: Parameters, from: 'projection' | 'y'): string {
  return `
${operatorCode}${parameterCode(parameters)}${from === 'y' ? recoveryCode : ''}${slopesDeclaration}
fn slopesAt(patch_: u32, filter_: u32) -> Slopes {
  let index = patch_ * filters + filter_;
  let slope = dy[index];
  let n = norms[patch_];
  let h = magnitudeTerms(n, radiusOf(filter_));
  let c = ${from === 'y' ? 'cosineFrom(y[index], h.ratio, n, kOf(filter_))' : 'cosineOf(projection[index], n)'};
  let g = angularTerms(c, kOf(filter_));
  let byProjection = slope * h.ratio * g.slope;
  return Slopes(
    byProjection,
    slope * g.value * h.slope - byProjection * c,
    byProjection * c * n,
    slope * g.value * h.byRadius${isAdaptive(parameters) ? ' * meanNorm' : ''},
    slope * h.ratio * n * g.byK,
  );
}
`;
}

/** The {@link slopesDeclaration} that are summed over the patches, in the order of `sums`. */
export function summedSlopes(parameters: Parameters): readonly ('along' | 'byRadius' | 'byK')[] {
  return ['along', ...parameters.map(([name]) => gradientName[name])];
}

/** A workgroup is a square of this many threads a side: filters in x, patches in y. */
const side = 16;
/** Patches of each thread at once. */
const patchesPerThread = 4;
/** Workgroups among which the patches are shared out: so many keep a GPU busy. */
const mostGroups = 1024;

/** What {@link productGradientSums} leaves; the caller disposes of it. */
export interface ProductGradient {
  /** [N, H′, W′, F]. */
  readonly byProjection: tf.TensorInfo;
  /**
   * [N, H′, W′, 1]; with ρ [N·H′·W′ + groups], whose last values add up to what each norm's gradient has beside through
   * E‖x‖.
   */
  readonly byNorms: tf.TensorInfo;
  /** [groups, fields, F], to be added up over the groups; the fields: ⟨dL/du, u⟩, then those of R and k that there are. */
  readonly sums: tf.TensorInfo;
}

/**
 * Gradients to the projection and the norms, and sums over each workgroup's patches for those to R, k and ‖w‖, in one
 * pass.
 * @param values the projection, or y, from which it is recovered
 * @param norms [N, H′, W′, 1]; with ρ [N·H′·W′ + 1], whose last is E‖x‖
 * @param dy [N, H′, W′, F]
 */
export function productGradientSums(
  backend: DawnBackend,
  values: { readonly projection: tf.TensorInfo } | { readonly y: tf.TensorInfo },
  {
    norms,
    dy,
    parameters,
  }: { readonly norms: tf.TensorInfo; readonly dy: tf.TensorInfo; readonly parameters: Parameters },
  functions: OperatorFunctions,
): ProductGradient {
  const filters = dy.shape[3]!;
  const patches = tf.util.sizeFromShape(dy.shape) / filters;
  const adaptive = isAdaptive(parameters);
  const share = Math.ceil(patches / (side * patchesPerThread) / mostGroups) * side * patchesPerThread;
  const groups = Math.ceil(patches / share);
  const fields = summedSlopes(parameters);
  const from = 'y' in values ? 'y' : 'projection';
  const each = (line: (name: (typeof fields)[number], field: number) => string): string =>
    fields.map(line).join('\n');
  const write = (): string => `
override filters: u32;
${slopesCode(parameters, from)}
var<workgroup> partial: array<array<f32, ${side}>, ${side}>;

${sumOverRowsCode}

fn sumOverFilters(lane: vec3u, value: f32) -> f32 {
  workgroupBarrier();
  partial[lane.y][lane.x] = value;
  for (var half = ${side / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane.x < half) {
      partial[lane.y][lane.x] += partial[lane.y][lane.x + half];
    }
  }
  return partial[lane.y][0];
}

@compute @workgroup_size(${side}, ${side})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  ${
    adaptive
      ? `meanNorm = norms[sizes.patches];
  var meanSlope = 0.0;`
      : ''
  }
  let end = min((group.x + 1u) * sizes.share, sizes.patches);
  for (var some = group.x * sizes.share; some < end; some += ${side * patchesPerThread}u) {
    let first = some + lane.y;
    var normSums: array<f32, ${patchesPerThread}>;
    for (var start = 0u; start < filters; start += ${side}u) {
      let filter_ = start + lane.x;
      ${each((name) => `var ${name}Sum = 0.0;`)}
      for (var i = 0u; i < ${patchesPerThread}u; i++) {
        let patch_ = first + i * ${side}u;
        if (patch_ < end && filter_ < filters) {
          let slopes = slopesAt(patch_, filter_);
          byProjection[patch_ * filters + filter_] = slopes.byProjection;
          normSums[i] += slopes.byNorm;
          ${each((name) => `${name}Sum += slopes.${name};`)}
        }
      }
      ${each(
        (name, field) => `
      let ${name}Total = sumOverRows(lane, ${name}Sum);
      if (lane.y == 0u && filter_ < filters) {
        let place = (group.x * ${fields.length}u + ${field}u) * filters + filter_;
        if (some == group.x * sizes.share) {
          sums[place] = ${name}Total;
        } else {
          sums[place] += ${name}Total;
        }
        ${adaptive && name === 'byRadius' ? `meanSlope += ${name}Total * rhoOf(filter_) / meanNorm;` : ''}
      }`,
      )}
    }
    for (var i = 0u; i < ${patchesPerThread}u; i++) {
      let total = sumOverFilters(lane, normSums[i]);
      let patch_ = first + i * ${side}u;
      if (lane.x == 0u && patch_ < end) {
        byNorms[patch_] = total;
      }
    }
  }
  ${
    adaptive
      ? `let share = sumOverFilters(lane, meanSlope) / f32(sizes.patches);
  if (lane.x == 0u && lane.y == 0u) {
    byNorms[sizes.patches + group.x] = share;
  }`
      : ''
  }
}
`;
  const outputs = {
    byProjection: backend.output(dy.shape),
    byNorms: backend.output(adaptive ? [patches + groups] : norms.shape),
    sums: backend.output([groups, fields.length, filters]),
  };
  backend.dispatch({
    kernel: { name: `product gradient ${nameOf(parameters)}`, write },
    constants: { ...operatorConstants(functions), filters },
    sizes: { patches, share },
    inputs: { ...values, norms, dy, ...Object.fromEntries(parameters) },
    outputs,
    groups: [groups, 1, 1],
  });
  return outputs;
}

/** WGSL: sums over the rows of a workgroup's square; with its `partial`. */
const sumOverRowsCode = `
fn sumOverRows(lane: vec3u, value: f32) -> f32 {
  workgroupBarrier();
  partial[lane.y][lane.x] = value;
  for (var half = ${side / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane.y < half) {
      partial[lane.y][lane.x] += partial[lane.y + half][lane.x];
    }
  }
  workgroupBarrier();
  return partial[0][lane.x];
}
`;

/**
 * WGSL that adds up the sums of {@link productGradientSums}, with `filters` and `sizes.groups`, in workgroups of a
 * square of 16 × 16 threads: `fieldSum` for the filter of each column, and `parameterSums`, which one line of groups
 * (filters in x) calls to write the gradients to R, or ρ, and k, `byRadius` and `byK`.
 */
export function fieldSumCode(parameters: Parameters): string {
  const fields = 1 + parameters.length;
  return `
var<workgroup> partial: array<array<f32, ${side}>, ${side}>;
${sumOverRowsCode}
fn fieldSum(lane: vec3u, filter_: u32, field: u32) -> f32 {
  var sum = 0.0;
  if (filter_ < filters) {
    for (var group = lane.y; group < sizes.groups; group += ${side}u) {
      sum += sums[(group * ${fields}u + field) * filters + filter_];
    }
  }
  return sumOverRows(lane, sum);
}

fn parameterSums(lane: vec3u, group: u32) {
  let filter_ = group * ${side}u + lane.x;
  ${parameters
    .map(([name, { shape }], index) =>
      shape[0] === 1
        ? `
  if (group == 0u) {
    var sum = 0.0;
    for (var start = 0u; start < filters; start += ${side}u) {
      sum += fieldSum(lane, start + lane.x, ${index + 1}u);
    }
    if (lane.y == 0u) {
      partial[1][lane.x] = sum;
    }
    workgroupBarrier();
    if (lane.x == 0u && lane.y == 0u) {
      var total = 0.0;
      for (var i = 0u; i < ${side}u; i++) {
        total += partial[1][i];
      }
      ${gradientName[name]}[0] = total;
    }
  }`
        : `
  let ${name}Sum = fieldSum(lane, filter_, ${index + 1}u);
  if (lane.y == 0u && filter_ < filters) {
    ${gradientName[name]}[filter_] = ${name}Sum;
  }`,
    )
    .join('')}
}
`;
}

const gradientName = { radius: 'byRadius', rho: 'byRadius', k: 'byK' } as const satisfies Readonly<
  Record<Parameter, string>
>;

/** Tensors for the gradients that `parameterSums` writes. */
export function parameterGradients(
  backend: DawnBackend,
  parameters: Parameters,
): Readonly<Record<string, tf.TensorInfo>> {
  return Object.fromEntries(
    parameters.map(([name, { shape }]) => [gradientName[name], backend.output(shape)]),
  );
}

/**
 * Gradients to the projection, the norms and, where given, R and k, in this order.
 * @param dy [N, H′, W′, F]
 */
export function productGradient(
  backend: DawnBackend,
  tensors: ProductTensors,
  dy: tf.TensorInfo,
  functions: OperatorFunctions,
): tf.TensorInfo[] {
  const { projection, norms } = tensors;
  const parameters = parametersOf(tensors);
  const { byProjection, byNorms, sums } = productGradientSums(
    backend,
    { projection },
    { norms, dy, parameters },
    functions,
  );
  const outputs = parameterGradients(backend, parameters);
  if (parameters.length > 0) {
    const filters = projection.shape[3]!;
    const write = (): string => `
override filters: u32;
${fieldSumCode(parameters)}
@compute @workgroup_size(${side}, ${side})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  parameterSums(lane, group.x);
}
`;
    backend.dispatch({
      kernel: { name: `parameter sums ${nameOf(parameters)}`, write },
      constants: { filters },
      sizes: { groups: sums.shape[0]! },
      inputs: { sums },
      outputs,
      groups: [Math.ceil(filters / side), 1, 1],
    });
  }
  backend.disposeData(sums.dataId);
  return [byProjection, byNorms, ...Object.values(outputs)];
}
