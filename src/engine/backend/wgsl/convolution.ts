import * as tf from '@tensorflow/tfjs-core';
import type { FusedConvolutionAttributes } from '../../operator/fusedConvolution.js';
import type { DawnBackend } from '../dawnBackend.js';
import { filterGradientParts, perThread } from './filterGradient.js';
import type { Storage } from './kernel.js';
import { operatorCode, operatorConstants } from './operator.js';
import {
  fieldSumCode,
  nameOf,
  type Parameters,
  parameterCode,
  parameterGradients,
  parametersOf,
  productGradientSums,
} from './product.js';
import { patchValueCode, shapeOf, windowCode, windowConstants } from './window.js';

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

/** What it leaves for its gradient, besides y. */
export interface ConvolutionTrace {
  /** [N, H′, W′, F]. */
  readonly y: tf.TensorInfo;
  /** [F]. */
  readonly filterNorms: tf.TensorInfo;
  /** [N, H′, W′, 1], where they were not given. */
  readonly patchNorms?: tf.TensorInfo;
}

/** The values that each thread of a matrix product makes. */
interface Tile {
  readonly rows: number;
  readonly columns: number;
}

/**
 * As many columns as are not wasted, first; then what a GPU may be faster with. Whatever the rows, the same are offered:
 * a smaller batch takes what an earlier one has chosen.
 */
function tilesFor(backend: DawnBackend, rowCount: number, columnCount: number): readonly [Tile, ...Tile[]] {
  const columns = perThread(columnCount);
  const usual: Tile = { rows: rowCount >= manyRows ? 4 : 1, columns };
  const wide = columnCount > 4 * side ? 2 * columns : columns;
  const room = backend.device.limits.maxComputeWorkgroupStorageSize;
  const bytesAValue = backend.storage === 'float16' ? 2 + 4 : 4; // its sums of squares lie beside the tiles
  const all = [4, 8, 2, 1].flatMap((rows) =>
    [...new Set([columns, rows > 2 ? wide : columns])].map((across) => ({ rows, columns: across })),
  );
  const others = all.filter(
    (tile) =>
      bytesAValue * side * (side * tile.rows + 1 + side * tile.columns) + 4 * side * tile.rows <= room &&
      (tile.rows !== usual.rows || tile.columns !== usual.columns),
  );
  return [usual, ...others];
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
 * and `rightValue` are given with it; they return what is kept of a value.
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
      var value = Left(0.0);
      if (row < sizes.rowCount && term < terms) {
        value = leftValue(row, term);
      }
      lefts[i % ${side}u][i / ${side}u] = value;
    }
    for (var i = index; i < ${side * tileColumns}u; i += ${side * side}u) {
      let term = start + i / ${tileColumns}u;
      let column = firstColumn + i % ${tileColumns}u;
      var value = Stored(0.0);
      if (term < terms && column < columnCount) {
        value = rightValue(term, column);
      }
      rights[i / ${tileColumns}u][i % ${tileColumns}u] = value;
    }
    workgroupBarrier();
    for (var k = 0u; k < ${side}u; k++) {
      for (var r = 0u; r < ${rows}u; r++) {
        let value = f32(lefts[k][lane.y + r * ${side}u]);
        for (var c = 0u; c < ${columns}u; c++) {
          sums[r][c] += value * f32(rights[k][lane.x + c * ${side}u]);
        }
      }
    }
    ${each}
    workgroupBarrier();
  }
`;
}

/** @param left the type of what is kept of the first matrix; of the second it is `Stored` */
function matrixDeclarations({ rows, columns }: Tile, left: 'Stored' | 'f32'): string {
  return `
override terms: u32;
override columnCount: u32;
alias Left = ${left};
// One more than is used: threads that write a column of it would else wait for one another.
var<workgroup> lefts: array<array<Left, ${side * rows + 1}>, ${side}>;
var<workgroup> rights: array<array<Stored, ${side * columns}>, ${side}>;
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

/** What the forward kernel is written for. */
interface Forward {
  readonly tile: Tile;
  readonly parameters: Parameters;
  readonly hasNorms: boolean;
  /** Whether a gradient will be asked for. */
  readonly traced: boolean;
  readonly storage: Storage;
}

/**
 * y and, for a gradient, the patches' and filters' norms in one pass: each workgroup sees all of its patches and
 * filters, so that it can sum their squares as they come by. Each thread does so for its share of the terms.
 */
function forwardCode({ tile, parameters, hasNorms, traced, storage }: Forward): string {
  const { rows, columns } = tile;
  // The sums of squares are float32: they take the place of tiles that are.
  const [patchSums, filterSums] = storage === 'float16' ? ['patchSums', 'filterSums'] : ['lefts', 'rights'];
  return `
${operatorCode}${parameterCode(parameters)}${windowCode}${matrixDeclarations(tile, 'Stored')}${patchValueCode}
override epsilon: f32;
${
  storage === 'float16'
    ? `var<workgroup> patchSums: array<array<f32, ${side * rows + 1}>, ${side}>;
var<workgroup> filterSums: array<array<f32, ${side * columns}>, ${side}>;`
    : ''
}

fn leftValue(row: u32, term: u32) -> Stored {
  return stored(patchValue(row, term));
}

fn rightValue(term: u32, column: u32) -> Stored {
  return stored(w[term * columnCount + column]);
}
${mainHead}
  var patchSquares: array<f32, ${rows}>;
  var filterSquares: array<f32, ${columns}>;
  ${matrixProduct(
    tile,
    `for (var r = 0u; r < ${rows}u; r++) {
      let value = f32(lefts[lane.x][lane.y + r * ${side}u]);
      patchSquares[r] += value * value;
    }
    for (var c = 0u; c < ${columns}u; c++) {
      let value = f32(rights[lane.y][lane.x + c * ${side}u]);
      filterSquares[c] += value * value;
    }`,
  )}
  for (var r = 0u; r < ${rows}u; r++) {
    ${patchSums}[lane.x][lane.y + r * ${side}u] = patchSquares[r];
  }
  for (var c = 0u; c < ${columns}u; c++) {
    ${filterSums}[lane.y][lane.x + c * ${side}u] = filterSquares[c];
  }
  workgroupBarrier();
  for (var c = 0u; c < ${columns}u; c++) {
    let filter_ = firstColumn + lane.x + c * ${side}u;
    var square = epsilon;
    for (var k = 0u; k < ${side}u; k++) {
      square += ${filterSums}[k][lane.x + c * ${side}u];
    }
    let filterNorm = sqrt(square);
    ${
      traced
        ? `if (firstRow == 0u && lane.y == 0u && filter_ < columnCount) {
      filterNorms[filter_] = filterNorm;
    }`
        : ''
    }
    for (var r = 0u; r < ${rows}u; r++) {
      let patch_ = firstRow + lane.y + r * ${side}u;
      if (patch_ >= sizes.rowCount || filter_ >= columnCount) {
        continue;
      }
      ${
        hasNorms
          ? 'let n = norms[patch_];'
          : `var patchSquare = epsilon;
      for (var k = 0u; k < ${side}u; k++) {
        patchSquare += ${patchSums}[k][lane.y + r * ${side}u];
      }
      let n = sqrt(patchSquare);`
      }
      ${
        traced && !hasNorms
          ? `if (filter_ == 0u) {
        patchNorms[patch_] = n;
      }`
          : ''
      }
      let u = sums[r][c] / filterNorm;
      let h = magnitudeTerms(n, radiusOf(filter_));
      if (angular == ANGULAR_COSINE) {
        y[patch_ * columnCount + filter_] = h.ratio * u;
      } else {
        y[patch_ * columnCount + filter_] = h.ratio * n * angularTerms(cosineOf(u, n), kOf(filter_)).value;
      }
    }
  }
}
`;
}

/** y, and where a gradient will be asked for the filters' norms and, where they are not given, the patches'. */
export function decoupledConvolution(
  backend: DawnBackend,
  tensors: ConvolutionTensors,
  attributes: FusedConvolutionAttributes & { readonly traced: boolean },
): tf.TensorInfo[] {
  const { x, w, norms } = tensors;
  const { traced } = attributes;
  const window = windowOf(tensors, attributes);
  const parameters = parametersOf(tensors);
  const { batchSize, outHeight, outWidth, outChannels } = window;
  const rowCount = batchSize * outHeight * outWidth;
  const hasNorms = norms !== undefined;
  const { storage } = backend;
  const run = (tile: Tile): tf.TensorInfo[] => {
    const outputs = {
      y: backend.output(window.outShape),
      ...(traced && { filterNorms: backend.output([outChannels]) }),
      ...(traced && !hasNorms && { patchNorms: backend.output([batchSize, outHeight, outWidth, 1]) }),
    };
    const name = `forward ${tile.rows}×${tile.columns} ${nameOf(parameters)} ${hasNorms} ${traced}`;
    backend.dispatch({
      kernel: { name, write: () => forwardCode({ tile, parameters, hasNorms, traced, storage }), storage },
      constants: {
        ...operatorConstants(attributes),
        ...windowConstants(window),
        epsilon: attributes.epsilon,
        terms: tf.util.sizeFromShape(w.shape) / outChannels,
        columnCount: outChannels,
      },
      sizes: { rowCount },
      inputs: { x, w, ...(norms && { norms }), ...Object.fromEntries(parameters) },
      outputs,
      groups: groupsFor(rowCount, outChannels, tile),
    });
    return Object.values(outputs);
  };
  const tile = backend.choose(
    `forward ${shapeOf(window)} ${storage}`,
    tilesFor(backend, rowCount, outChannels),
    run,
  );
  return run(tile);
}

/** Gradients to x, w and, where given, the norms, R and k, in this order. */
export function decoupledConvolutionGradient(
  backend: DawnBackend,
  { dy, y, filterNorms, ...tensors }: ConvolutionTensors & ConvolutionTrace & { readonly dy: tf.TensorInfo },
  attributes: FusedConvolutionAttributes,
): tf.TensorInfo[] {
  const window = windowOf(tensors, attributes);
  const { x, w } = tensors;
  const parameters = parametersOf(tensors);
  const patchNorms = (tensors.norms ?? tensors.patchNorms)!;
  const { byProjection, byNorms, sums } = productGradientSums(
    backend,
    { y },
    { norms: patchNorms, dy, parameters },
    attributes,
  );
  const throughNorms = tensors.norms === undefined ? { patchNorms, byNorms } : undefined;
  const dx = inputGradient(backend, tensors, { byProjection, filterNorms, ...throughNorms }, window);
  const partial = filterGradientParts(backend, x, byProjection, window, backend.storage);
  const { dw, ...byParameters } = normalisedGradient(backend, { partial, w, filterNorms, sums }, parameters);
  for (const { dataId } of [byProjection, partial, sums]) backend.disposeData(dataId);
  if (tensors.norms !== undefined) return [dx, dw, byNorms, ...Object.values(byParameters)];
  backend.disposeData(byNorms.dataId);
  return [dx, dw, ...Object.values(byParameters)];
}

/**
 * dL/dx as a product of matrices, of pixels and channels over taps and filters; with x·Σ dn/n over the pixel's patches
 * added where the norms are the convolution's own.
 */
function inputGradientCode(tile: Tile, hasNorms: boolean): string {
  const { rows, columns } = tile;
  const tileRows = side * rows;
  return `
${windowCode}${matrixDeclarations(tile, 'f32')}
override filters: u32;
${
  hasNorms
    ? `override taps: u32;
var<workgroup> spread: array<f32, ${tileRows}>;`
    : ''
}

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

fn rightValue(term: u32, column: u32) -> Stored {
  let filter_ = term % filters;
  return stored(w[(term / filters * channels + column) * filters + filter_] / filterNorms[filter_]);
}
${mainHead}
  ${matrixProduct(tile, '')}
  ${
    hasNorms
      ? `if (index < ${tileRows}u) {
    var share = 0.0;
    if (firstRow + index < sizes.rowCount) {
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
      : ''
  }
  for (var r = 0u; r < ${rows}u; r++) {
    let pixel = firstRow + lane.y + r * ${side}u;
    for (var c = 0u; c < ${columns}u; c++) {
      let channel = firstColumn + lane.x + c * ${side}u;
      if (pixel < sizes.rowCount && channel < columnCount) {
        let place = pixel * columnCount + channel;
        dx[place] = sums[r][c]${hasNorms ? ` + x[place] * spread[lane.y + r * ${side}u]` : ''};
      }
    }
  }
}
`;
}

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
  const hasNorms = patchNorms !== undefined && byNorms !== undefined;
  const rowCount = window.batchSize * window.inHeight * window.inWidth;
  const taps = window.filterHeight * window.filterWidth;
  const { storage } = backend;
  const run = (tile: Tile): tf.TensorInfo => {
    const dx = backend.output(x.shape);
    backend.dispatch({
      kernel: {
        name: `input gradient ${tile.rows}×${tile.columns} ${hasNorms}`,
        write: () => inputGradientCode(tile, hasNorms),
        storage,
      },
      constants: {
        ...windowConstants(window),
        filters: window.outChannels,
        ...(hasNorms && { taps }),
        terms: taps * window.outChannels,
        columnCount: window.inChannels,
      },
      sizes: { rowCount },
      inputs: { byProjection, w, filterNorms, ...(hasNorms && { x, patchNorms, byNorms }) },
      outputs: { dx },
      groups: groupsFor(rowCount, window.inChannels, tile),
    });
    return dx;
  };
  const tile = backend.choose(
    `input gradient ${shapeOf(window)} ${storage}`,
    tilesFor(backend, rowCount, window.inChannels),
    (candidate) => [run(candidate)],
  );
  return run(tile);
}

/** Weights of each thread. */
const weightsPerThread = 4;

const normalisedCode = (parameters: Parameters): string => `
override weights: u32;
override filters: u32;
${fieldSumCode(parameters)}
@compute @workgroup_size(${side}, ${side})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let filter_ = group.x * ${side}u + lane.x;
  let along = fieldSum(lane, filter_, 0u);
  ${
    parameters.length === 0
      ? ''
      : `if (group.y == 0u) {
    parameterSums(lane, group.x);
  }`
  }
  if (filter_ >= filters) {
    return;
  }
  let n = filterNorms[filter_];
  for (var i = 0u; i < ${weightsPerThread}u; i++) {
    let weight = (group.y * ${weightsPerThread}u + i) * ${side}u + lane.y;
    if (weight < weights) {
      let place = weight * filters + filter_;
      var sum = 0.0;
      for (var part = 0u; part < sizes.parts; part++) {
        sum += partial_[part * weights * filters + place];
      }
      dw[place] = (sum - w[place] * along / n) / n;
    }
  }
}
`;

/**
 * dL/dw from the parts of dL/dŵ, dŵ/n − w·⟨w, dŵ⟩/n³, and what is left to do for R and k. ⟨w, dŵ⟩ = n·Σ u·dL/du over
 * the patches, so that no workgroup has to see all of a filter's weights.
 */
function normalisedGradient(
  backend: DawnBackend,
  { partial, ...given }: Readonly<Record<'partial' | 'w' | 'filterNorms' | 'sums', tf.TensorInfo>>,
  parameters: Parameters,
): { readonly dw: tf.TensorInfo; readonly [byParameter: string]: tf.TensorInfo } {
  const [parts, weights, filters] = partial.shape as [number, number, number];
  const outputs = { dw: backend.output(given.w.shape), ...parameterGradients(backend, parameters) };
  backend.dispatch({
    kernel: { name: `normalised gradient ${nameOf(parameters)}`, write: () => normalisedCode(parameters) },
    constants: { weights, filters },
    sizes: { parts, groups: given.sums.shape[0]! },
    inputs: { partial_: partial, ...given },
    outputs,
    groups: [Math.ceil(filters / side), Math.ceil(weights / (side * weightsPerThread)), 1],
  });
  return outputs;
}
