import * as tf from '@tensorflow/tfjs-core';
import type { OperatorFunctions } from '../../operator/decoupledProduct.js';
import { bindings, type DawnBackend, inLine, lineOfGroups } from '../dawnBackend.js';
import { operatorCode, operatorConstants } from './operator.js';
import { columnSums } from './sums.js';

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

type Parameter = 'radius' | 'k';

/** R and k, those that there are. */
export function parametersOf(
  tensors: Pick<ProductTensors, Parameter>,
): readonly (readonly [Parameter, tf.TensorInfo])[] {
  return (['radius', 'k'] as const).flatMap((name) => {
    const tensor = tensors[name];
    return tensor === undefined ? [] : [[name, tensor] as const];
  });
}

/** WGSL that reads R and k of a filter; 1 where there is none. */
export function parameterCode(given: readonly (readonly [Parameter, tf.TensorInfo])[]): string {
  const read = (name: Parameter): string => {
    const tensor = given.find(([other]) => other === name)?.[1];
    if (tensor === undefined) return '1.0';
    return tensor.shape[0] === 1 ? `${name}[0]` : `${name}[filter_]`;
  };
  return `
fn radiusOf(filter_: u32) -> f32 { return ${read('radius')}; }
fn kOf(filter_: u32) -> f32 { return ${read('k')}; }
`;
}

/** h(n)·g(c) of each value. */
export function product(
  backend: DawnBackend,
  tensors: ProductTensors,
  functions: OperatorFunctions,
): tf.TensorInfo {
  const { projection, norms } = tensors;
  const parameters = parametersOf(tensors);
  const code = `
${bindings(['y'], ['projection', 'norms', ...parameters.map(([name]) => name)])}
${operatorCode}${parameterCode(parameters)}${lineOfGroups}
override filters: u32;
override size: u32;

@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = groupIndex(group) * ${threads}u + lane;
  if (index >= size) {
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
    code,
    constants: { ...operatorConstants(functions), filters: projection.shape[3]!, size },
    inputs: [projection, norms, ...parameters.map(([, tensor]) => tensor)],
    outputs: [y],
    groups: inLine(Math.ceil(size / threads)),
  });
  return y;
}

/** A workgroup is a square of this many threads a side: filters in x, patches in y. */
const side = 16;
/** Patches of each thread. */
const patchesPerThread = 4;

/**
 * Gradients to the projection, the norms and, where given, R and k, in this order. One pass makes the first two, and
 * sums over its workgroup's patches for the others; each of those takes one more, which adds the sums up.
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
  const filters = projection.shape[3]!;
  const patches = tf.util.sizeFromShape(norms.shape);
  const groups = Math.ceil(patches / (side * patchesPerThread));
  const sumNames = parameters.map(([name]) => `${name}Sums`);
  const sumOf: Readonly<Record<Parameter, string>> = {
    radius: 'slope * g.value * h.byRadius',
    k: 'slope * h.ratio * n * g.byK',
  };
  const each = (line: (name: Parameter) => string): string =>
    parameters.map(([name]) => line(name)).join('\n');
  const code = `
${bindings(
  ['byProjection', 'byNorms', ...sumNames],
  ['projection', 'norms', 'dy', ...parameters.map(([name]) => name)],
)}
${operatorCode}${parameterCode(parameters)}${lineOfGroups}
override filters: u32;
override patches: u32;
override groups: u32;
var<workgroup> partial: array<array<f32, ${side}>, ${side}>;

fn sumOverPatches(lane: vec3u, value: f32) -> f32 {
  workgroupBarrier();
  partial[lane.y][lane.x] = value;
  for (var half = ${side / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane.y < half) {
      partial[lane.y][lane.x] += partial[lane.y + half][lane.x];
    }
  }
  return partial[0][lane.x];
}

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
  let line = groupIndex(group);
  let first = line * ${side * patchesPerThread}u + lane.y;
  var normSums: array<f32, ${patchesPerThread}>;
  for (var start = 0u; start < filters; start += ${side}u) {
    let filter_ = start + lane.x;
    ${each((name) => `var ${name}Sum = 0.0;`)}
    for (var i = 0u; i < ${patchesPerThread}u; i++) {
      let patch_ = first + i * ${side}u;
      if (patch_ < patches && filter_ < filters) {
        let index = patch_ * filters + filter_;
        let slope = dy[index];
        let n = norms[patch_];
        let c = cosineOf(projection[index], n);
        let h = magnitudeTerms(n, radiusOf(filter_));
        let g = angularTerms(c, kOf(filter_));
        let toProjection = slope * h.ratio * g.slope;
        byProjection[index] = toProjection;
        normSums[i] += slope * g.value * h.slope - toProjection * c;
        ${each((name) => `${name}Sum += ${sumOf[name]};`)}
      }
    }
    ${each(
      (name) => `
    let ${name}Total = sumOverPatches(lane, ${name}Sum);
    if (lane.y == 0u && filter_ < filters && line < groups) {
      ${name}Sums[line * filters + filter_] = ${name}Total;
    }`,
    )}
  }
  for (var i = 0u; i < ${patchesPerThread}u; i++) {
    let total = sumOverFilters(lane, normSums[i]);
    let patch_ = first + i * ${side}u;
    if (lane.x == 0u && patch_ < patches) {
      byNorms[patch_] = total;
    }
  }
}
`;
  const outputs = [backend.output(projection.shape), backend.output(norms.shape)];
  const sums = parameters.map(() => backend.output([groups, filters]));
  backend.dispatch({
    code,
    constants: { ...operatorConstants(functions), filters, patches, groups },
    inputs: [projection, norms, dy, ...parameters.map(([, tensor]) => tensor)],
    outputs: [...outputs, ...sums],
    groups: inLine(groups),
  });
  for (const [index, [, parameter]] of parameters.entries()) {
    const size = parameter.shape[0]!;
    outputs.push(columnSums(backend, sums[index]!, (groups * filters) / size, size, parameter.shape));
  }
  for (const { dataId } of sums) backend.disposeData(dataId);
  return outputs;
}
