import * as tf from '@tensorflow/tfjs-core';
import type { FusedConvolutionAttributes } from '../../operator/fusedConvolution.js';
import type { DawnBackend } from '../dawnBackend.js';
import type { Storage } from './kernel.js';
import { matrixProduct, roomOf, side, type Tile, tileDeclarations, tilesFor } from './matrixProduct.js';
import { operatorCode, operatorConstants } from './operator.js';
import { meanNormParts } from './patchNorms.js';
import { isAdaptive, nameOf, type Parameters, parameterCode, parametersOf } from './product.js';
import { columnSums, groupSumCode, sumOf } from './sums.js';
import { patchesOf, patchValueCode, shapeOf, windowCode, windowConstants } from './window.js';

/** What a decoupled convolution takes; R, or the ρ of R = ρ·E‖x‖, and k [1] or [F], where the operator has them. */
export interface ConvolutionTensors {
  /** [N, H, W, Cin]. */
  readonly x: tf.TensorInfo;
  /** [K, K, Cin, F]. */
  readonly w: tf.TensorInfo;
  readonly radius?: tf.TensorInfo;
  readonly rho?: tf.TensorInfo;
  readonly k?: tf.TensorInfo;
}

/** What it leaves for its gradient, besides y. */
export interface ConvolutionTrace {
  /** [N, H′, W′, F]. */
  readonly y: tf.TensorInfo;
  /** [F]. */
  readonly filterNorms: tf.TensorInfo;
  /** [N, H′, W′, 1]; with ρ [N·H′·W′ + 1], whose last is E‖x‖: one tensor less for a kernel to read. */
  readonly patchNorms: tf.TensorInfo;
}

/** Tiles whose values and sums of squares a workgroup has room for. */
function forwardTiles(
  backend: DawnBackend,
  rowCount: number,
  columnCount: number,
): readonly [Tile, ...Tile[]] {
  const bytesAValue = backend.storage === 'float16' ? 2 + 4 : 4; // its sums of squares lie beside the tiles
  return tilesFor(
    rowCount,
    columnCount,
    ({ rows, columns }) => bytesAValue * side * (side * rows + 1 + side * columns) <= roomOf(backend),
  );
}

export function windowOf(
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

/** What the forward kernel is written for. */
interface Forward {
  readonly tile: Tile;
  readonly parameters: Parameters;
  /** Whether E‖x‖ is written. */
  readonly givesMean: boolean;
  /** Whether a gradient will be asked for. */
  readonly traced: boolean;
  readonly storage: Storage;
}

/**
 * y and, for a gradient, the patches' and filters' norms in one pass: each workgroup sees all of its patches and
 * filters, so that it can sum their squares as they come by. Each thread does so for its share of the terms. The parts of
 * E‖x‖ are few: each workgroup adds them up for itself.
 */
function forwardCode({ tile, parameters, givesMean, traced, storage }: Forward): string {
  const { rows, columns } = tile;
  // The sums of squares are float32: they take the place of tiles that are.
  const [patchSums, filterSums] = storage === 'float16' ? ['patchSums', 'filterSums'] : ['lefts', 'rights'];
  const adaptive = isAdaptive(parameters);
  return `
${operatorCode}${parameterCode(parameters)}${windowCode}${patchValueCode}
${tileDeclarations(tile, { left: 'Stored', right: 'Stored' })}
override epsilon: f32;
override terms: u32;
override columnCount: u32;
${
  storage === 'float16'
    ? `var<workgroup> patchSums: array<array<f32, ${side * rows + 1}>, ${side}>;
var<workgroup> filterSums: array<array<f32, ${side * columns}>, ${side}>;`
    : ''
}
${adaptive ? groupSumCode(patchSums) : ''}

@compute @workgroup_size(${side}, ${side})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groupCount: vec3u,
  @builtin(local_invocation_id) lane: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let firstRow = (group.z * groupCount.y + group.y) * ${side * rows}u;
  let firstColumn = group.x * ${side * columns}u;
  var patchSquares: array<f32, ${rows}>;
  var filterSquares: array<f32, ${columns}>;
  ${matrixProduct(tile, {
    left: 'value = stored(patchValue(row, term));',
    right: 'value = stored(w[term * columnCount + column]);',
    each: `for (var r = 0u; r < ${rows}u; r++) {
      let value = f32(lefts[lane.x][lane.y + r * ${side}u]);
      patchSquares[r] += value * value;
    }
    for (var c = 0u; c < ${columns}u; c++) {
      let value = f32(rights[lane.y][lane.x + c * ${side}u]);
      filterSquares[c] += value * value;
    }`,
  })}
  ${
    adaptive
      ? `${sumOf('total', 'sizes.parts', 'parts[i]')}
  meanNorm = total;
  if (firstRow == 0u && firstColumn == 0u && index == 0u) {
    ${givesMean ? 'mean[0] = meanNorm;' : ''}
    ${traced ? 'patchNorms[sizes.rowCount] = meanNorm;' : ''}
  }`
      : ''
  }
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
      var patchSquare = epsilon;
      for (var k = 0u; k < ${side}u; k++) {
        patchSquare += ${patchSums}[k][lane.y + r * ${side}u];
      }
      let n = sqrt(patchSquare);
      ${
        traced
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

/** y, where a gradient will be asked for the filters' norms and the patches', and E‖x‖ where R is in mean patch norms. */
export function decoupledConvolution(
  backend: DawnBackend,
  tensors: ConvolutionTensors,
  attributes: FusedConvolutionAttributes & { readonly traced: boolean },
): tf.TensorInfo[] {
  const { x, w, rho } = tensors;
  const { traced, stride, padding, epsilon } = attributes;
  const window = windowOf(tensors, attributes);
  const parameters = parametersOf(tensors);
  const { batchSize, outHeight, outWidth, outChannels } = window;
  const rowCount = batchSize * outHeight * outWidth;
  const { storage } = backend;
  const of = { kernel: w.shape[0]!, stride, padding, epsilon };
  const parts = rho && meanNormParts(backend, x, of);
  // Some drivers allow a kernel only eight tensors: x, w, the parts, y and both norms, ρ, k and the mean are more.
  const givesMean =
    parts !== undefined &&
    (traced ? 7 : 5) + parameters.length <= backend.device.limits.maxStorageBuffersPerShaderStage;
  const summed = givesMean ? parts : parts && columnSums(backend, parts, parts.shape[0]!, 1, []);
  const run = (tile: Tile): tf.TensorInfo[] => {
    const outputs = {
      y: backend.output(window.outShape),
      ...(traced && { filterNorms: backend.output([outChannels]) }),
      ...(traced && {
        patchNorms: backend.output(rho ? [rowCount + 1] : [batchSize, outHeight, outWidth, 1]),
      }),
      ...(givesMean && { mean: backend.output([]) }),
    };
    const name = `forward ${tile.rows}×${tile.columns} ${nameOf(parameters)} ${givesMean} ${traced}`;
    backend.dispatch({
      kernel: { name, write: () => forwardCode({ tile, parameters, givesMean, traced, storage }), storage },
      constants: {
        ...operatorConstants(attributes),
        ...windowConstants(window),
        epsilon,
        terms: tf.util.sizeFromShape(w.shape) / outChannels,
        columnCount: outChannels,
      },
      sizes: { rowCount, ...(summed && { parts: tf.util.sizeFromShape(summed.shape) }) },
      inputs: { x, w, ...Object.fromEntries(parameters), ...(summed && { parts: summed }) },
      outputs,
      groups: groupsFor(rowCount, outChannels, tile),
    });
    return Object.values(outputs);
  };
  const tile = backend.choose(
    { kernel: `forward ${shapeOf(window)} ${storage}`, patches: patchesOf(window) },
    forwardTiles(backend, rowCount, outChannels),
    run,
  );
  const outputs = run(tile);
  if (parts !== undefined) backend.disposeData(parts.dataId);
  return givesMean || summed === undefined ? outputs : [...outputs, summed];
}
