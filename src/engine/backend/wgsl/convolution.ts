import * as tf from '@tensorflow/tfjs-core';
import type { FusedConvolutionAttributes } from '../../operator/fusedConvolution.js';
import { bindings, type DawnBackend } from '../dawnBackend.js';
import { filterGradientParts, perThread } from './filterGradient.js';
import { operatorCode, operatorConstants } from './operator.js';
import { parameterCode, parametersOf, productGradient } from './product.js';
import { patchValueCode, windowCode, windowConstants } from './window.js';

/** A workgroup is a square of this many threads a side; as many terms of each sum are loaded at once. */
const side = 16;
/** From so many rows on a thread makes several: fewer would leave a GPU idle. */
const manyRows = 512;

/** What a decoupled convolution takes; R and k [1] or [F], norms [N, H′, W′, 1], where they are given. */
export interface ConvolutionTensors {
  /** [N, H, W, Cin]. */
  readonly x: tf.TensorInfo;
  /** [K, K, Cin, F]. */
  readonly w: tf.TensorInfo;
  readonly norms?: tf.TensorInfo;
  readonly radius?: tf.TensorInfo;
  readonly k?: tf.TensorInfo;
}

/** What it leaves for its gradient. */
export interface ConvolutionTrace {
  /** ⟨ŵ, x⟩ [N, H′, W′, F]. */
  readonly projection: tf.TensorInfo;
  /** [N, H′, W′, 1]. */
  readonly patchNorms: tf.TensorInfo;
  /** [F]. */
  readonly filterNorms: tf.TensorInfo;
}

/** The values that each thread of a matrix product makes. */
interface Tile {
  readonly rows: number;
  readonly columns: number;
}

/** As many columns as are not wasted. */
function tileFor(rowCount: number, columnCount: number): Tile {
  return { rows: rowCount >= manyRows ? 4 : 1, columns: perThread(columnCount) };
}

function windowOf(
  { x, w }: ConvolutionTensors,
  { stride, padding }: FusedConvolutionAttributes,
): tf.backend_util.Conv2DInfo {
  type Shape = [number, number, number, number];
  return tf.backend_util.computeConv2DInfo(x.shape as Shape, w.shape as Shape, stride, 1, padding);
}

/** Tiles of rows, in y and, where that dimension is full, in z. */
function groupsFor(rowCount: number, columnCount: number, { rows, columns }: Tile): [number, number, number] {
  const tiles = Math.ceil(rowCount / (side * rows));
  const inY = Math.min(tiles, 32_768);
  return [Math.ceil(columnCount / (side * columns)), inY, Math.ceil(tiles / inY)];
}

/**
 * WGSL of a product of matrices in tiles, sums[r][c] = Σ_k leftValue(row, k)·rightValue(k, column), of which the functions `leftValue`
 * and `rightValue` are given with it.
 * @param each what is done with the tiles once they are loaded
 */
function matrixProduct({ rows, columns }: Tile, each: string): string {
  const [tileRows, tileColumns] = [side * rows, side * columns];
  return `
  let firstRow = (group.z * groupCount.y + group.y) * ${tileRows}u;
  let firstColumn = group.x * ${tileColumns}u;
  var sums: array<array<f32, ${columns}>, ${rows}>;
  for (var start = 0u; start < terms; start += ${side}u) {
    for (var i = index; i < ${side * tileRows}u; i += ${side * side}u) {
      let row = firstRow + i / ${side}u;
      let term = start + i % ${side}u;
      var value = 0.0;
      if (row < rowCount && term < terms) {
        value = leftValue(row, term);
      }
      lefts[i % ${side}u][i / ${side}u] = value;
    }
    for (var i = index; i < ${side * tileColumns}u; i += ${side * side}u) {
      let term = start + i / ${tileColumns}u;
      let column = firstColumn + i % ${tileColumns}u;
      var value = 0.0;
      if (term < terms && column < columnCount) {
        value = rightValue(term, column);
      }
      rights[i / ${tileColumns}u][i % ${tileColumns}u] = value;
    }
    workgroupBarrier();
    for (var k = 0u; k < ${side}u; k++) {
      for (var r = 0u; r < ${rows}u; r++) {
        let value = lefts[k][lane.y + r * ${side}u];
        for (var c = 0u; c < ${columns}u; c++) {
          sums[r][c] += value * rights[k][lane.x + c * ${side}u];
        }
      }
    }
    ${each}
    workgroupBarrier();
  }
`;
}

function matrixDeclarations({ rows, columns }: Tile): string {
  return `
override terms: u32;
override rowCount: u32;
override columnCount: u32;
var<workgroup> lefts: array<array<f32, ${side * rows}>, ${side}>;
var<workgroup> rights: array<array<f32, ${side * columns}>, ${side}>;
`;
}

const mainHead = `
@compute @workgroup_size(${side}, ${side})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groupCount: vec3u,
  @builtin(local_invocation_id) lane: vec3u,
  @builtin(local_invocation_index) index: u32,
) {`;

/**
 * y, the projection, and the patches' and filters' norms in one pass: each workgroup sees all of its patches and
 * filters, so that it can sum their squares as they come by. Each thread does so for its share of the terms.
 */
export function decoupledConvolution(
  backend: DawnBackend,
  tensors: ConvolutionTensors,
  attributes: FusedConvolutionAttributes,
): tf.TensorInfo[] {
  const { x, w, norms } = tensors;
  const window = windowOf(tensors, attributes);
  const parameters = parametersOf(tensors);
  const { batchSize, outHeight, outWidth, outChannels } = window;
  const rowCount = batchSize * outHeight * outWidth;
  const tile = tileFor(rowCount, outChannels);
  const { rows, columns } = tile;
  const code = `
${bindings(
  ['y', 'projection', 'patchNorms', 'filterNorms'],
  ['x', 'w', ...(norms === undefined ? [] : ['norms']), ...parameters.map(([name]) => name)],
)}
${operatorCode}${parameterCode(parameters)}${windowCode}${matrixDeclarations(tile)}${patchValueCode}
override epsilon: f32;

fn leftValue(row: u32, term: u32) -> f32 {
  return patchValue(row, term);
}

fn rightValue(term: u32, column: u32) -> f32 {
  return w[term * columnCount + column];
}
${mainHead}
  var patchSquares: array<f32, ${rows}>;
  var filterSquares: array<f32, ${columns}>;
  ${matrixProduct(
    tile,
    `for (var r = 0u; r < ${rows}u; r++) {
      let value = lefts[lane.x][lane.y + r * ${side}u];
      patchSquares[r] += value * value;
    }
    for (var c = 0u; c < ${columns}u; c++) {
      let value = rights[lane.y][lane.x + c * ${side}u];
      filterSquares[c] += value * value;
    }`,
  )}
  for (var r = 0u; r < ${rows}u; r++) {
    lefts[lane.x][lane.y + r * ${side}u] = patchSquares[r];
  }
  for (var c = 0u; c < ${columns}u; c++) {
    rights[lane.y][lane.x + c * ${side}u] = filterSquares[c];
  }
  workgroupBarrier();
  for (var c = 0u; c < ${columns}u; c++) {
    let filter_ = firstColumn + lane.x + c * ${side}u;
    var square = epsilon;
    for (var k = 0u; k < ${side}u; k++) {
      square += rights[k][lane.x + c * ${side}u];
    }
    let filterNorm = sqrt(square);
    if (firstRow == 0u && lane.y == 0u && filter_ < columnCount) {
      filterNorms[filter_] = filterNorm;
    }
    for (var r = 0u; r < ${rows}u; r++) {
      let patch_ = firstRow + lane.y + r * ${side}u;
      if (patch_ >= rowCount || filter_ >= columnCount) {
        continue;
      }
      ${
        norms === undefined
          ? `var patchSquare = epsilon;
      for (var k = 0u; k < ${side}u; k++) {
        patchSquare += lefts[k][lane.y + r * ${side}u];
      }
      let n = sqrt(patchSquare);`
          : 'let n = norms[patch_];'
      }
      if (filter_ == 0u) {
        patchNorms[patch_] = n;
      }
      let u = sums[r][c] / filterNorm;
      let h = magnitudeTerms(n, radiusOf(filter_));
      projection[patch_ * columnCount + filter_] = u;
      if (angular == ANGULAR_COSINE) {
        y[patch_ * columnCount + filter_] = h.ratio * u;
      } else {
        y[patch_ * columnCount + filter_] = h.ratio * n * angularTerms(cosineOf(u, n), kOf(filter_)).value;
      }
    }
  }
}
`;
  const outputs = [
    backend.output(window.outShape),
    backend.output(window.outShape),
    backend.output([batchSize, outHeight, outWidth, 1]),
    backend.output([outChannels]),
  ];
  backend.dispatch({
    code,
    constants: {
      ...operatorConstants(attributes),
      ...windowConstants(window),
      epsilon: attributes.epsilon,
      terms: tf.util.sizeFromShape(w.shape) / outChannels,
      rowCount,
      columnCount: outChannels,
    },
    inputs: [x, w, ...(norms === undefined ? [] : [norms]), ...parameters.map(([, tensor]) => tensor)],
    outputs,
    groups: groupsFor(rowCount, outChannels, tile),
  });
  return outputs;
}

/** Gradients to x, w and, where given, the norms, R and k, in this order. */
export function decoupledConvolutionGradient(
  backend: DawnBackend,
  {
    dy,
    projection,
    patchNorms,
    filterNorms,
    ...tensors
  }: ConvolutionTensors & ConvolutionTrace & { readonly dy: tf.TensorInfo },
  attributes: FusedConvolutionAttributes,
): tf.TensorInfo[] {
  const window = windowOf(tensors, attributes);
  const { radius, k } = tensors;
  const [byProjection, byNorms, ...byParameters] = productGradient(
    backend,
    { projection, norms: patchNorms, ...(radius && { radius }), ...(k && { k }) },
    dy,
    attributes,
  ) as [tf.TensorInfo, tf.TensorInfo, ...tf.TensorInfo[]];
  const throughNorms = tensors.norms === undefined ? { patchNorms, byNorms } : undefined;
  const dx = inputGradient(backend, tensors, { byProjection, filterNorms, ...throughNorms }, window);
  const parts = filterGradientParts(backend, tensors.x, byProjection, window);
  const dw = normalisedFilterGradient(backend, parts, tensors.w, filterNorms);
  for (const { dataId } of [byProjection, parts]) backend.disposeData(dataId);
  if (tensors.norms !== undefined) return [dx, dw, byNorms, ...byParameters];
  backend.disposeData(byNorms.dataId);
  return [dx, dw, ...byParameters];
}

/**
 * dL/dx as a product of matrices, of pixels and channels over taps and filters; with x·Σ dn/n over the pixel's patches
 * added where the norms are the convolution's own.
 */
function inputGradient(
  backend: DawnBackend,
  { x, w }: ConvolutionTensors,
  given: {
    readonly byProjection: tf.TensorInfo;
    readonly filterNorms: tf.TensorInfo;
    readonly patchNorms?: tf.TensorInfo;
    readonly byNorms?: tf.TensorInfo;
  },
  window: tf.backend_util.Conv2DInfo,
): tf.TensorInfo {
  const { byProjection, filterNorms, patchNorms, byNorms } = given;
  const norms = patchNorms !== undefined && byNorms !== undefined ? { x, patchNorms, byNorms } : {};
  const rowCount = window.batchSize * window.inHeight * window.inWidth;
  const tile = tileFor(rowCount, window.inChannels);
  const { rows, columns } = tile;
  const tileRows = side * rows;
  const code = `
${bindings(['dx'], ['byProjection', 'w', 'filterNorms', ...Object.keys(norms)])}
${windowCode}${matrixDeclarations(tile)}
override filters: u32;
override taps: u32;
var<workgroup> spread: array<f32, ${tileRows}>;

// The patch that holds a pixel at a tap; beyond the last where there is none.
fn patchAt(pixel: u32, tap: u32) -> u32 {
  let row = i32(pixel / width % height + top) - i32(tap / kernelWidth);
  let column = i32(pixel % width + left) - i32(tap % kernelWidth);
  if (row < 0 || column < 0 || u32(row) % strideHeight != 0u || u32(column) % strideWidth != 0u) {
    return 0xffffffffu;
  }
  let outRow = u32(row) / strideHeight;
  let outColumn = u32(column) / strideWidth;
  if (outRow >= outHeight || outColumn >= outWidth) {
    return 0xffffffffu;
  }
  return (pixel / (height * width) * outHeight + outRow) * outWidth + outColumn;
}

fn leftValue(row: u32, term: u32) -> f32 {
  let patch_ = patchAt(row, term / filters);
  if (patch_ == 0xffffffffu) {
    return 0.0;
  }
  return byProjection[patch_ * filters + term % filters];
}

fn rightValue(term: u32, column: u32) -> f32 {
  let filter_ = term % filters;
  return w[(term / filters * channels + column) * filters + filter_] / filterNorms[filter_];
}
${mainHead}
  ${matrixProduct(tile, '')}
  ${
    patchNorms === undefined
      ? ''
      : `if (index < ${tileRows}u) {
    var share = 0.0;
    if (firstRow + index < rowCount) {
      for (var tap = 0u; tap < taps; tap++) {
        let patch_ = patchAt(firstRow + index, tap);
        if (patch_ != 0xffffffffu) {
          share += byNorms[patch_] / max(patchNorms[patch_], 1e-30);
        }
      }
    }
    spread[index] = share;
  }
  workgroupBarrier();`
  }
  for (var r = 0u; r < ${rows}u; r++) {
    let pixel = firstRow + lane.y + r * ${side}u;
    for (var c = 0u; c < ${columns}u; c++) {
      let channel = firstColumn + lane.x + c * ${side}u;
      if (pixel < rowCount && channel < columnCount) {
        let place = pixel * columnCount + channel;
        dx[place] = sums[r][c]${patchNorms === undefined ? '' : ` + x[place] * spread[lane.y + r * ${side}u]`};
      }
    }
  }
}
`;
  const dx = backend.output(x.shape);
  const taps = window.filterHeight * window.filterWidth;
  backend.dispatch({
    code,
    constants: {
      ...windowConstants(window),
      filters: window.outChannels,
      taps,
      terms: taps * window.outChannels,
      rowCount,
      columnCount: window.inChannels,
    },
    inputs: [byProjection, w, filterNorms, ...Object.values(norms)],
    outputs: [dx],
    groups: groupsFor(rowCount, window.inChannels, tile),
  });
  return dx;
}

const filterCode = `
${bindings(['dw'], ['partial', 'w', 'filterNorms'])}
override parts: u32;
override weights: u32;
override filters: u32;
var<workgroup> products: array<array<f32, ${side}>, ${side}>;

@compute @workgroup_size(${side}, ${side})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let filter_ = group.x * ${side}u + lane.x;
  var along = 0.0;
  if (filter_ < filters) {
    for (var weight = lane.y; weight < weights; weight += ${side}u) {
      let place = weight * filters + filter_;
      var sum = 0.0;
      for (var part = 0u; part < parts; part++) {
        sum += partial[part * weights * filters + place];
      }
      dw[place] = sum;
      along += sum * w[place];
    }
  }
  products[lane.y][lane.x] = along;
  for (var half = ${side / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane.y < half) {
      products[lane.y][lane.x] += products[lane.y + half][lane.x];
    }
  }
  workgroupBarrier();
  if (filter_ < filters) {
    let n = filterNorms[filter_];
    let share = products[0][lane.x] / (n * n);
    for (var weight = lane.y; weight < weights; weight += ${side}u) {
      let place = weight * filters + filter_;
      dw[place] = (dw[place] - w[place] * share) / n;
    }
  }
}
`;

/** dL/dw from the parts of dL/dŵ: dŵ/n − w·⟨w, dŵ⟩/n³. */
function normalisedFilterGradient(
  backend: DawnBackend,
  partial: tf.TensorInfo,
  w: tf.TensorInfo,
  filterNorms: tf.TensorInfo,
): tf.TensorInfo {
  const [parts, weights, filters] = partial.shape as [number, number, number];
  const dw = backend.output(w.shape);
  backend.dispatch({
    code: filterCode,
    constants: { parts, weights, filters },
    inputs: [partial, w, filterNorms],
    outputs: [dw],
    groups: [Math.ceil(filters / side), 1, 1],
  });
  return dw;
}
