import type * as tf from '@tensorflow/tfjs-core';
import type { DawnBackend } from '../dawnBackend.js';
import { addProducts, perThread, side, type Tile, tileDeclarations } from './matrixProduct.js';
import { columnSums } from './sums.js';
import { patchesOf, patchValueCode, shapeOf, windowCode, windowConstants } from './window.js';

/** So many workgroups keep a GPU busy. */
const enoughGroups = 512;
/** Positions of the output that are worth a workgroup of their own. */
const leastShare = 256;

/**
 * WGSL of a workgroup's tile of dw[m, f] = Σ_p patch(p)[m]·slope(p, f), m = (i·K + j)·Cin + c, from the positions p from
 * `part * sizes.share` on: a product of matrices of which the first is read from the image.
 * Takes `part`, `firstWeight` and `firstFilter`, and writes part `part` of `dw` [parts, weights, filters].
 * @param slope sets `value`, 0 before, from `position` and `filter_`; a thread loads slopes of one filter only
 */
export function filterTileCode({ rows, columns }: Tile, slope: string): string {
  const [tileRows, tileColumns] = [side * rows, side * columns];
  return `
  let end = min(sizes.positions, (part + 1u) * sizes.share);
  var sums: array<array<f32, ${columns}>, ${rows}>;
  for (var start = part * sizes.share; start < end; start += ${side}u) {
    for (var i = index; i < ${side * tileRows}u; i += ${side * side}u) {
      let position = start + i / ${tileRows}u;
      let weight = firstWeight + i % ${tileRows}u;
      var value = 0.0;
      if (position < end && weight < weights) {
        value = patchValue(position, weight);
      }
      lefts[i / ${tileRows}u][i % ${tileRows}u] = f32(stored(value));
    }
    for (var i = index; i < ${side * tileColumns}u; i += ${side * side}u) {
      let position = start + i / ${tileColumns}u;
      let filter_ = firstFilter + i % ${tileColumns}u;
      var value = 0.0;
      if (position < end && filter_ < filters) {
        ${slope}
      }
      rights[i / ${tileColumns}u][i % ${tileColumns}u] = value;
    }
    workgroupBarrier();
    ${addProducts({ rows, columns })}
    workgroupBarrier();
  }
  for (var r = 0u; r < ${rows}u; r++) {
    let weight = firstWeight + lane.y + r * ${side}u;
    for (var c = 0u; c < ${columns}u; c++) {
      let filter_ = firstFilter + lane.x + c * ${side}u;
      if (weight < weights && filter_ < filters) {
        dw[(part * weights + weight) * filters + filter_] = sums[r][c];
      }
    }
  }
`;
}

const code = (tile: FilterTile): string => `
${windowCode}${patchValueCode}
${tileDeclarations(tile, { left: 'f32', right: 'f32' })}
override filters: u32;
override weights: u32; // K·K·Cin

@compute @workgroup_size(${side}, ${side})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) lane: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let part = group.z;
  let firstWeight = group.y * ${side * tile.rows}u;
  let firstFilter = group.x * ${side * tile.columns}u;
  ${filterTileCode(tile, 'value = dy[position * filters + filter_];')}
}
`;

/** How the work is cut: the values that each thread makes, and the workgroups that are aimed at. */
export interface FilterTile extends Tile {
  readonly groups: number;
}

export function filterTilesFor(window: tf.backend_util.Conv2DInfo): readonly [FilterTile, ...FilterTile[]] {
  const [rows, columns] = [perThread(weightsOf(window)), perThread(window.outChannels)];
  return [
    { rows, columns, groups: enoughGroups },
    { rows, columns, groups: 4 * enoughGroups },
    ...(rows === 4 ? [{ rows: 8, columns, groups: enoughGroups }] : []),
    ...(rows === 4 && columns === 4 ? [{ rows: 8, columns: 8, groups: enoughGroups }] : []),
  ];
}

/** Weights of a filter, K·K·Cin. */
export function weightsOf({ filterHeight, filterWidth, inChannels }: tf.backend_util.Conv2DInfo): number {
  return filterHeight * filterWidth * inChannels;
}

/** How the positions of the output are shared out among as many workgroups as a GPU needs. */
export function sharesOf(
  window: tf.backend_util.Conv2DInfo,
  { rows, columns, groups }: FilterTile,
): {
  /** Tiles of filters and of weights. */
  readonly tiles: readonly [number, number];
  /** Positions, and those of each part. */
  readonly positions: number;
  readonly share: number;
  readonly parts: number;
} {
  const { batchSize, outChannels, outHeight, outWidth } = window;
  const positions = batchSize * outHeight * outWidth;
  const tiles = [
    Math.ceil(outChannels / (side * columns)),
    Math.ceil(weightsOf(window) / (side * rows)),
  ] as const;
  const shares = Math.min(Math.ceil(groups / (tiles[0] * tiles[1])), Math.ceil(positions / leastShare));
  const share = Math.ceil(positions / shares / side) * side;
  return { tiles, positions, share, parts: Math.ceil(positions / share) };
}

/**
 * dL/dw [K, K, Cin, F] of a convolution without dilation, in parts that are then added up.
 * @param x [N, H, W, Cin]
 * @param dy [N, H′, W′, F]
 */
export function filterGradient(
  backend: DawnBackend,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  window: tf.backend_util.Conv2DInfo,
): tf.TensorInfo {
  const weights = weightsOf(window);
  const filters = window.outChannels;
  const run = (tile: FilterTile): tf.TensorInfo => {
    const { tiles, positions, share, parts } = sharesOf(window, tile);
    const dw = backend.output([parts, weights, filters]);
    backend.dispatch({
      kernel: { name: `filter gradient ${tile.rows}×${tile.columns}`, write: () => code(tile) },
      constants: { ...windowConstants(window), filters, weights },
      sizes: { positions, share },
      inputs: { x, dy },
      outputs: { dw },
      groups: [...tiles, parts],
    });
    return dw;
  };
  const tile = backend.choose(
    { kernel: `filter gradient ${shapeOf(window)} float32`, patches: patchesOf(window) },
    filterTilesFor(window),
    (candidate) => [run(candidate)],
  );
  const partial = run(tile);
  const dw = columnSums(backend, partial, partial.shape[0]!, weights * filters, window.filterShape);
  backend.disposeData(partial.dataId);
  return dw;
}
