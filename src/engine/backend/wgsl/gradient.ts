import type * as tf from '@tensorflow/tfjs-core';
import type { FusedConvolutionAttributes } from '../../operator/fusedConvolution.js';
import type { DawnBackend } from '../dawnBackend.js';
import type { TunedWork } from '../tuning.js';
import { type ConvolutionTensors, type ConvolutionTrace, windowOf } from './convolution.js';
import { type FilterTile, filterTileCode, filterTilesFor, sharesOf, weightsOf } from './filterGradient.js';
import { inLine, lineOfGroups } from './kernel.js';
import { matrixProduct, roomOf, side, type Tile, tileDeclarations, tilesFor } from './matrixProduct.js';
import { operatorConstants } from './operator.js';
import {
  fieldSumCode,
  nameOf,
  type Parameters,
  parameterGradients,
  parametersOf,
  productGradientSums,
  slopesCode,
  slopesDeclaration,
  summedSlopes,
} from './product.js';
import { patchesOf, patchValueCode, shapeOf, windowCode, windowConstants } from './window.js';

/**
 * Where dL/du comes from: computed from y and dy wherever it is used, which moves the fewest bytes, or by a pass of its
 * own before, which computes each value only once.
 */
type Source = 'computed' | 'stored';

/** How the gradient's kernel is cut. */
interface Variant {
  readonly source: Source;
  readonly input: Tile;
  readonly filter: FilterTile;
}

type GradientTensors = ConvolutionTensors & ConvolutionTrace & { readonly dy: tf.TensorInfo };

/** Gradients to x, w and, where given, the norms, R and k, in this order. */
export function decoupledConvolutionGradient(
  backend: DawnBackend,
  tensors: GradientTensors,
  attributes: FusedConvolutionAttributes,
): tf.TensorInfo[] {
  const window = windowOf(tensors, attributes);
  const parameters = parametersOf(tensors);
  const run = (variant: Variant) => matrixGradients(backend, tensors, variant, { window, attributes });
  const { dx, byNorms, partial, sums } = run(chooseVariant(backend, tensors, { window, attributes }, run));
  const { w, filterNorms } = tensors;
  const { dw, ...byParameters } = normalisedGradient(backend, { partial, w, filterNorms, sums }, parameters);
  for (const { dataId } of [partial, sums]) backend.disposeData(dataId);
  return [dx, dw, ...(byNorms === undefined ? [] : [byNorms]), ...Object.values(byParameters)];
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
  run: (variant: Variant) => MatrixGradients,
): Variant {
  const fits = (input: Tile, filter: Tile): boolean => {
    const rows = side * Math.max(input.rows, filter.rows) + 1;
    const columns = side * Math.max(input.columns, filter.columns);
    return 4 * side * (rows + columns) <= roomOf(backend);
  };
  const timed = (variant: Variant): readonly tf.TensorInfo[] =>
    Object.values(run(variant)).filter((tensor) => tensor !== undefined);
  const [usualFilter, ...otherFilters] = filterTilesFor(window);
  const inputs = tilesFor(window.batchSize * window.inHeight * window.inWidth, window.inChannels, (tile) =>
    fits(tile, usualFilter),
  );
  const work = (kernel: string): TunedWork => ({
    kernel: `${kernel} ${shapeOf(window)} ${backend.storage}`,
    patches: patchesOf(window),
  });
  const { source } = backend.choose<{ readonly source: Source }>(
    work(`gradient by ${attributes.magnitude} ${attributes.angular}`),
    canCompute(backend, tensors) ? [{ source: 'computed' }, { source: 'stored' }] : [{ source: 'stored' }],
    (candidate) => timed({ ...candidate, input: inputs[0], filter: usualFilter }),
  );
  const input = backend.choose(work(`gradient ${source} to input`), inputs, (candidate) =>
    timed({ source, input: candidate, filter: usualFilter }),
  );
  const filter = backend.choose(
    work(`gradient ${source} to filters`),
    [usualFilter, ...otherFilters.filter((tile) => fits(input, tile))],
    (candidate) => timed({ source, input, filter: candidate }),
  );
  return { source, input, filter };
}

/** Of a kernel that computes dL/du: dx, dw, sums; x, w, y, dy and both norms. */
const fewestTensors = 9;
/** With R, k and, where the norms are given, their gradient. */
export const mostTensors = fewestTensors + 3;

/** Whether a kernel may have as many tensors as computing dL/du takes; some drivers allow only eight or ten. */
function canCompute(backend: DawnBackend, { norms, radius, k }: GradientTensors): boolean {
  const tensors = fewestTensors + [norms, radius, k].filter((tensor) => tensor !== undefined).length;
  return tensors <= backend.device.limits.maxStorageBuffersPerShaderStage;
}

interface MatrixGradients {
  /** [N, H, W, Cin]. */
  readonly dx: tf.TensorInfo;
  /** Of dL/dŵ: [parts, K·K·Cin, F], to be added up. */
  readonly partial: tf.TensorInfo;
  /** [groups, fields, F], to be added up over the groups; the fields are {@link summedSlopes}. */
  readonly sums: tf.TensorInfo;
  /** [N, H′, W′, 1], where the norms were given. */
  readonly byNorms: tf.TensorInfo | undefined;
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
  const { x, w, y, dy, filterNorms } = tensors;
  const { source, input, filter } = variant;
  const { storage } = backend;
  const norms = (tensors.norms ?? tensors.patchNorms)!;
  const givenNorms = tensors.norms !== undefined;
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
  const byNorms = stored?.byNorms ?? (givenNorms ? backend.output(norms.shape) : undefined);
  const read =
    stored === undefined
      ? { y, dy, norms, ...Object.fromEntries(parameters) }
      : { byProjection: stored.byProjection, ...(!givenNorms && { byNorms: stored.byNorms, norms }) };
  const tileName = `${input.rows}×${input.columns} ${filter.rows}×${filter.columns}`;
  backend.dispatch({
    kernel: {
      name: `gradient ${source} ${tileName} ${nameOf(parameters)} ${givenNorms}`,
      write: () => gradientCode(variant, parameters, givenNorms),
      storage,
    },
    constants: {
      ...windowConstants(window),
      ...(stored === undefined && operatorConstants(attributes)),
      filters: outChannels,
      weights,
      terms: (weights / inChannels) * outChannels,
    },
    sizes: { rowCount, positions, share, parts, inputTiles },
    inputs: { x, w, filterNorms, ...read },
    outputs: {
      dx,
      dw: partial,
      ...(stored === undefined && { slopeSums: sums, ...(byNorms !== undefined && { byNorms }) }),
    },
    groups: inLine(groupsAPart * parts),
  });
  if (stored !== undefined) backend.disposeData(stored.byProjection.dataId);
  if (stored !== undefined && !givenNorms) backend.disposeData(stored.byNorms.dataId);
  return { dx, partial, sums, byNorms: givenNorms ? byNorms : undefined };
}

/** WGSL of `slopesAt` where a pass before has stored them; the first filter has all of a patch's `byNorm`. */
const storedSlopesCode = (hasNorms: boolean): string => `${slopesDeclaration}
fn slopesAt(patch_: u32, filter_: u32) -> Slopes {
  var slopes: Slopes;
  slopes.byProjection = byProjection[patch_ * filters + filter_];
  ${
    hasNorms
      ? `if (filter_ == 0u) {
    slopes.byNorm = byNorms[patch_];
  }`
      : ''
  }
  return slopes;
}
`;

/**
 * dL/dx is a product of matrices, of pixels and channels over taps and filters; with x·Σ dn/n over the pixel's patches
 * added where the norms are the convolution's own. Their sums, and those over the patches for R, k and ‖w‖, are of slopes
 * that come by for the matrices anyway.
 */
function gradientCode(
  { source, input, filter }: Variant,
  parameters: Parameters,
  givenNorms: boolean,
): string {
  const isComputed = source === 'computed';
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
${isComputed ? slopesCode(parameters, 'y') : storedSlopesCode(!givenNorms)}
${patchAtCode}
${inputTileCode(input, givenNorms ? (isComputed ? 'written' : 'elsewhere') : 'spread')}
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

/** @param norms what becomes of dL/d‖x‖: part of dx, a gradient of its own, or that which it is elsewhere */
function inputTileCode(tile: Tile, norms: 'spread' | 'written' | 'elsewhere'): string {
  const { rows, columns } = tile;
  const count = {
    spread: 'normSums[r] += slopes.byNorm / max(norms[patch_], 1e-30);',
    // Each patch has a pixel of the image at this tap, and only one.
    written: `if (term / filters == ownTap) {
          normSums[r] += slopes.byNorm;
        }`,
    elsewhere: '',
  }[norms];
  const use = {
    spread: 'dx[place] = sums[r][c] + x[place] * normSum;',
    written: `dx[place] = sums[r][c];
        if (channel == 0u) {
          let patch_ = patchAt(pixel, ownTap);
          if (patch_ != NO_PATCH) {
            byNorms[patch_] = normSum;
          }
        }`,
    elsewhere: 'dx[place] = sums[r][c];',
  }[norms];
  const summed = norms !== 'elsewhere';
  return `
fn inputTile(firstRow: u32, firstColumn: u32, lane: vec3u, index: u32) {
  if (firstRow >= sizes.rowCount) {
    return;
  }
  let columnCount = channels;
  ${norms === 'written' ? 'let ownTap = top * kernelWidth + left;' : ''}
  ${summed ? `var normSums: array<f32, ${rows}>;` : ''}
  ${matrixProduct(tile, {
    left: `let patch_ = patchAt(row, term / filters);
        if (patch_ != NO_PATCH) {
          let slopes = slopesAt(patch_, term % filters);
          value = slopes.byProjection;
          ${count}
        }`,
    right: `let filter_ = term % filters;
        value = f32(stored(w[(term / filters * channels + column) * filters + filter_] / filterNorms[filter_]));`,
  })}
  ${
    summed
      ? `for (var r = 0u; r < ${rows}u; r++) {
    lefts[index % ${side}u][index / ${side}u + r * ${side}u] = normSums[r];
  }
  workgroupBarrier();`
      : ''
  }
  for (var r = 0u; r < ${rows}u; r++) {
    let pixel = firstRow + lane.y + r * ${side}u;
    ${
      summed
        ? `var normSum = 0.0;
    for (var k = 0u; k < ${side}u; k++) {
      normSum += lefts[k][lane.y + r * ${side}u];
    }`
        : ''
    }
    for (var c = 0u; c < ${columns}u; c++) {
      let channel = firstColumn + lane.x + c * ${side}u;
      if (pixel < sizes.rowCount && channel < channels) {
        let place = pixel * channels + channel;
        ${use}
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
