import * as tf from '@tensorflow/tfjs-core';
import type { FusedConvolutionAttributes } from '../../operator/fusedConvolution.js';
import type { DawnBackend } from '../dawnBackend.js';
import type { TunedWork } from '../tuning.js';
import { type ConvolutionTensors, type ConvolutionTrace, windowOf } from './convolution.js';
import { type FilterTile, filterTileCode, filterTilesFor, sharesOf, weightsOf } from './filterGradient.js';
import { inLine, lineOfGroups } from './kernel.js';
import { matrixProduct, roomOf, side, type Tile, tileDeclarations, tilesFor } from './matrixProduct.js';
import { operatorConstants } from './operator.js';
import { addMeanGradient } from './patchNorms.js';
import {
  fieldSumCode,
  isAdaptive,
  nameOf,
  type Parameters,
  parameterGradients,
  parametersOf,
  productGradientSums,
  slopesCode,
  slopesDeclaration,
  summedSlopes,
} from './product.js';
import { groupSumCode, sumOf } from './sums.js';
import { patchesOf, patchValueCode, shapeOf, windowCode, windowConstants } from './window.js';

/**
 * Where dL/du comes from: computed from y and dy wherever it is used, which moves the fewest bytes, or by a pass of its
 * own before, which computes each value only once. With R = ρ·E‖x‖ each norm has a gradient through the mean, too, which
 * is the sum of all: the pass before knows it in time for dx; else it is added to dx afterwards.
 */
type Source = 'computed' | 'stored';

/** How the gradient's kernel is cut. */
interface Variant {
  readonly source: Source;
  readonly input: Tile;
  readonly filter: FilterTile;
}

type GradientTensors = ConvolutionTensors & ConvolutionTrace & { readonly dy: tf.TensorInfo };

/** Gradients to x, w and, where given, R or ρ, and k, in this order. */
export function decoupledConvolutionGradient(
  backend: DawnBackend,
  tensors: GradientTensors,
  attributes: FusedConvolutionAttributes,
): tf.TensorInfo[] {
  const window = windowOf(tensors, attributes);
  const run = (variant: Variant) => gradients(backend, tensors, variant, { window, attributes });
  return run(chooseVariant(backend, tensors, { window, attributes }, run));
}

function gradients(
  backend: DawnBackend,
  tensors: GradientTensors,
  variant: Variant,
  { window, attributes }: Setting,
): tf.TensorInfo[] {
  const parameters = parametersOf(tensors);
  const { dx, partial, sums } = matrixGradients(backend, tensors, variant, { window, attributes });
  const { x, w, filterNorms, rho, patchNorms: norms } = tensors;
  const { dw, ...byParameters } = normalisedGradient(backend, { partial, w, filterNorms, sums }, parameters);
  for (const { dataId } of [partial, sums]) backend.disposeData(dataId);
  if (rho !== undefined && variant.source === 'computed') {
    const { stride, padding } = attributes;
    const byRho = byParameters.byRadius!;
    addMeanGradient(backend, { x, norms, rho, byRho, dx }, { kernel: w.shape[0]!, stride, padding });
  }
  return [dx, dw, ...Object.values(byParameters)];
}

interface Setting {
  readonly window: tf.backend_util.Conv2DInfo;
  readonly attributes: FusedConvolutionAttributes;
}

/** The source that is fastest with the usual tiles, then each matrix's tile that is fastest with what is chosen before. */
function chooseVariant(
  backend: DawnBackend,
  tensors: GradientTensors,
  { window, attributes }: Setting,
  run: (variant: Variant) => tf.TensorInfo[],
): Variant {
  const fits = (input: Tile, filter: Tile): boolean => {
    const rows = side * Math.max(input.rows, filter.rows) + 1;
    const columns = side * Math.max(input.columns, filter.columns);
    return 4 * side * (rows + columns) <= roomOf(backend);
  };
  const [usualFilter, ...otherFilters] = filterTilesFor(window);
  const inputs = tilesFor(window.batchSize * window.inHeight * window.inWidth, window.inChannels, (tile) =>
    fits(tile, usualFilter),
  );
  const work = (kernel: string): TunedWork => ({
    kernel: `${kernel} ${shapeOf(window)} ${backend.storage}`,
    patches: patchesOf(window),
  });
  const radius = tensors.rho === undefined ? '' : ' of the batch';
  const { source } = backend.choose(
    work(`gradient by ${attributes.magnitude} ${attributes.angular}${radius}`),
    sourcesFor(backend, tensors),
    (candidate) => run({ ...candidate, input: inputs[0], filter: usualFilter }),
  );
  const input = backend.choose(work(`gradient ${source} to input`), inputs, (candidate) =>
    run({ source, input: candidate, filter: usualFilter }),
  );
  const filter = backend.choose(
    work(`gradient ${source} to filters`),
    [usualFilter, ...otherFilters.filter((tile) => fits(input, tile))],
    (candidate) => run({ source, input, filter: candidate }),
  );
  return { source, input, filter };
}

/** Of a kernel that computes dL/du: dx, dw, sums; x, w, y, dy and both norms. */
const fewestTensors = 9;
/** With R or ρ, and k. */
export const mostTensors = fewestTensors + 2;

/** That which moves the fewest bytes first. */
function sourcesFor(
  backend: DawnBackend,
  tensors: GradientTensors,
): readonly [{ readonly source: Source }, ...{ readonly source: Source }[]] {
  const [computed, stored] = [{ source: 'computed' }, { source: 'stored' }] as const;
  // Some drivers allow a kernel only eight or ten tensors.
  const count = fewestTensors + parametersOf(tensors).length;
  if (count > backend.device.limits.maxStorageBuffersPerShaderStage) return [stored];
  const { x, y, rho } = tensors;
  // A pass before writes dL/du, which is read; one afterwards reads x and dx, and writes that.
  const storesLess =
    rho !== undefined && 2 * tf.util.sizeFromShape(y.shape) < 3 * tf.util.sizeFromShape(x.shape);
  return storesLess ? [stored, computed] : [computed, stored];
}

interface MatrixGradients {
  /** [N, H, W, Cin]. */
  readonly dx: tf.TensorInfo;
  /** Of dL/dŵ: [parts, K·K·Cin, F], to be added up. */
  readonly partial: tf.TensorInfo;
  /** [groups, fields, F], to be added up over the groups; the fields are {@link summedSlopes}. */
  readonly sums: tf.TensorInfo;
}

/**
 * dL/dx, and parts of dL/dŵ, by one kernel whose workgroups make a tile of the one or of the other. Those that read the
 * same images follow each other, so that what one has read lies in the GPU's cache for the next.
 */
function matrixGradients(
  backend: DawnBackend,
  tensors: GradientTensors,
  variant: Variant,
  { window, attributes }: Setting,
): MatrixGradients {
  const { x, w, y, dy, filterNorms, patchNorms: norms } = tensors;
  const { source, input, filter } = variant;
  const { storage } = backend;
  const parameters = parametersOf(tensors);
  const { inChannels, outChannels, batchSize, inHeight, inWidth } = window;
  const weights = weightsOf(window);
  const { tiles, positions, share, parts } = sharesOf(window, filter);
  const rowCount = batchSize * inHeight * inWidth;
  const inputTiles = Math.ceil(Math.ceil(rowCount / (side * input.rows)) / parts);
  const groupsAPart = inputTiles * Math.ceil(inChannels / (side * input.columns)) + tiles[0] * tiles[1];

  const stored =
    source === 'stored'
      ? productGradientSums(backend, { y }, { norms, dy, parameters }, attributes)
      : undefined;
  const dx = backend.output(x.shape);
  const partial = backend.output([parts, weights, outChannels]);
  const sums = stored?.sums ?? backend.output([parts, summedSlopes(parameters).length, outChannels]);
  const read =
    stored === undefined
      ? { y, dy, ...Object.fromEntries(parameters) }
      : { byProjection: stored.byProjection, byNorms: stored.byNorms };
  const tileName = `${input.rows}×${input.columns} ${filter.rows}×${filter.columns}`;
  backend.dispatch({
    kernel: {
      name: `gradient ${source} ${tileName} ${nameOf(parameters)}`,
      write: () => gradientCode(variant, parameters),
      storage,
    },
    constants: {
      ...windowConstants(window),
      ...(stored === undefined && operatorConstants(attributes)),
      filters: outChannels,
      weights,
      terms: (weights / inChannels) * outChannels,
    },
    sizes: { rowCount, positions, share, parts, inputTiles, slopeParts: sums.shape[0]! },
    inputs: { x, w, filterNorms, norms, ...read },
    outputs: {
      dx,
      dw: partial,
      ...(stored === undefined && { slopeSums: sums }),
    },
    groups: inLine(groupsAPart * parts),
  });
  for (const of of stored === undefined ? [] : [stored.byProjection, stored.byNorms])
    backend.disposeData(of.dataId);
  return { dx, partial, sums };
}

/** WGSL of `slopesAt` where a pass before has stored them; the first filter has all of a patch's `byNorm`. */
const storedSlopesCode = `${slopesDeclaration}
var<private> meanSlope: f32; // what each norm's gradient has through E‖x‖
fn slopesAt(patch_: u32, filter_: u32) -> Slopes {
  var slopes: Slopes;
  slopes.byProjection = byProjection[patch_ * filters + filter_];
  if (filter_ == 0u) {
    slopes.byNorm = byNorms[patch_] + meanSlope;
  }
  return slopes;
}
`;

/**
 * dL/dx is a product of matrices, of pixels and channels over taps and filters; with x·Σ dn/n over the pixel's patches
 * added. Their sums, and those over the patches for R, k and ‖w‖, are of slopes
 * that come by for the matrices anyway.
 */
function gradientCode({ source, input, filter }: Variant, parameters: Parameters): string {
  const isComputed = source === 'computed';
  const adaptive = isAdaptive(parameters);
  const larger = {
    rows: Math.max(input.rows, filter.rows),
    columns: Math.max(input.columns, filter.columns),
  };
  return `
override filters: u32;
override weights: u32; // K·K·Cin
override terms: u32; // K·K·F
${windowCode}${patchValueCode}${lineOfGroups}
${tileDeclarations(larger, { left: 'f32', right: 'f32' })}
${isComputed ? slopesCode(parameters, 'y') : storedSlopesCode}
${patchAtCode}
${adaptive && !isComputed ? groupSumCode('lefts') : ''}
${inputTileCode(input, adaptive && !isComputed)}
${filterGradientCode(filter, isComputed ? summedSlopes(parameters) : [])}

const inputTileRows = ${side * input.rows}u;
const inputTileColumns = ${side * input.columns}u;
const filterTileRows = ${side * filter.rows}u;
const filterTileColumns = ${side * filter.columns}u;

@compute @workgroup_size(${side}, ${side})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) lane: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  ${adaptive && isComputed ? 'meanNorm = norms[sizes.positions];' : ''}
  let across = (channels + inputTileColumns - 1u) / inputTileColumns;
  let filterTiles = (filters + filterTileColumns - 1u) / filterTileColumns;
  let weightTiles = (weights + filterTileRows - 1u) / filterTileRows;
  let inputGroups = sizes.inputTiles * across;
  let groupsAPart = inputGroups + filterTiles * weightTiles;
  let part = groupIndex(group) / groupsAPart;
  let place = groupIndex(group) % groupsAPart;
  if (part >= sizes.parts) {
    return;
  }
  if (place < inputGroups) {
    let tile = part * sizes.inputTiles + place / across;
    inputTile(tile * inputTileRows, place % across * inputTileColumns, lane, index);
  } else {
    let tile = place - inputGroups;
    filterTile(part, tile / filterTiles * filterTileRows, tile % filterTiles * filterTileColumns, lane, index);
  }
}
`;
}

const patchAtCode = `
const NO_PATCH = 0xffffffffu;

// The patch that holds a pixel at a tap.
fn patchAt(pixel: u32, tap: u32) -> u32 {
  let row = i32(pixel / width % height + top) - i32(tap / kernelWidth);
  let column = i32(pixel % width + left) - i32(tap % kernelWidth);
  if (row < 0 || column < 0 || u32(row) % strideHeight != 0u || u32(column) % strideWidth != 0u) {
    return NO_PATCH;
  }
  let outRow = u32(row) / strideHeight;
  let outColumn = u32(column) / strideWidth;
  if (outRow >= outHeight || outColumn >= outWidth) {
    return NO_PATCH;
  }
  return (pixel / (height * width) * outHeight + outRow) * outWidth + outColumn;
}
`;

/** @param addsMean whether the parts of what the norms' gradients have through E‖x‖ lie behind them */
function inputTileCode(tile: Tile, addsMean: boolean): string {
  const { rows, columns } = tile;
  return `
fn inputTile(firstRow: u32, firstColumn: u32, lane: vec3u, index: u32) {
  if (firstRow >= sizes.rowCount) {
    return;
  }
  let columnCount = channels;
  var normSums: array<f32, ${rows}>;
  ${
    addsMean
      ? `${sumOf('total', 'sizes.slopeParts', 'byNorms[sizes.positions + i]')}
  meanSlope = total;`
      : ''
  }
  ${matrixProduct(tile, {
    left: `let patch_ = patchAt(row, term / filters);
        if (patch_ != NO_PATCH) {
          let slopes = slopesAt(patch_, term % filters);
          value = slopes.byProjection;
          normSums[r] += slopes.byNorm / max(norms[patch_], 1e-30);
        }`,
    right: `let filter_ = term % filters;
        value = f32(stored(w[(term / filters * channels + column) * filters + filter_] / filterNorms[filter_]));`,
  })}
  for (var r = 0u; r < ${rows}u; r++) {
    lefts[index % ${side}u][index / ${side}u + r * ${side}u] = normSums[r];
  }
  workgroupBarrier();
  for (var r = 0u; r < ${rows}u; r++) {
    let pixel = firstRow + lane.y + r * ${side}u;
    var normSum = 0.0;
    for (var k = 0u; k < ${side}u; k++) {
      normSum += lefts[k][lane.y + r * ${side}u];
    }
    for (var c = 0u; c < ${columns}u; c++) {
      let channel = firstColumn + lane.x + c * ${side}u;
      if (pixel < sizes.rowCount && channel < channels) {
        let place = pixel * channels + channel;
        dx[place] = sums[r][c] + x[place] * normSum;
      }
    }
  }
}
`;
}

/** @param summed what is summed over the positions beside dL/dŵ, by the workgroups of the first weights */
function filterGradientCode(tile: FilterTile, summed: readonly string[]): string {
  const columns = side * tile.columns;
  return `
fn filterTile(part: u32, firstWeight: u32, firstFilter: u32, lane: vec3u, index: u32) {
  ${summed.map((name) => `var ${name}Sum = 0.0;`).join('\n  ')}
  ${filterTileCode(
    tile,
    `let slopes = slopesAt(position, filter_);
        value = slopes.byProjection;
        ${
          summed.length === 0
            ? ''
            : `if (firstWeight == 0u) {
          ${summed.map((name) => `${name}Sum += slopes.${name};`).join('\n          ')}
        }`
        }`,
  )}
  ${
    summed.length === 0
      ? ''
      : `if (firstWeight != 0u) {
    return;
  }
  let filter_ = firstFilter + index;`
  }
  ${summed
    .map(
      (name, field) => `
  rights[index / ${columns}u][index % ${columns}u] = ${name}Sum;
  workgroupBarrier();
  if (index < ${columns}u && filter_ < filters) {
    var total = 0.0;
    for (var i = 0u; i < ${(side * side) / columns}u; i++) {
      total += rights[i][index];
    }
    slopeSums[(part * ${summed.length}u + ${field}u) * filters + filter_] = total;
  }
  workgroupBarrier();`,
    )
    .join('')}
}
`;
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
