import type * as tf from '@tensorflow/tfjs-core';
import type { DawnBackend } from '../dawnBackend.js';
import type { Storage } from './kernel.js';
import { columnSums } from './sums.js';
import { patchValueCode, shapeOf, windowCode, windowConstants } from './window.js';

/** A workgroup is a square of this many threads a side. */
const side = 16;
/** Positions of the output that are loaded at once. */
const depth = 16;
/** So many workgroups keep a GPU busy. */
const enoughGroups = 512;
/** Positions of the output that are worth a workgroup of their own. */
const leastShare = 256;

/**
 * dw[m, f] = Σ_p patch(p)[m]·dy[p, f] with m = (i·K + j)·Cin + c, as a product of matrices of which the first is read
 * from the image. A workgroup makes a tile of it from a share of the positions p, and each of its threads
 * `rows` × `columns` values.
 */
function code({ rows, columns }: Tile): string {
  const [tileRows, tileColumns] = [side * rows, side * columns];
  return `
${windowCode}
override filters: u32;
override weights: u32; // K·K·Cin

var<workgroup> patches: array<array<Stored, ${tileRows}>, ${depth}>;
var<workgroup> slopes: array<array<f32, ${tileColumns}>, ${depth}>;

${patchValueCode}

@compute @workgroup_size(${side}, ${side})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) lane: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let firstWeight = group.y * ${tileRows}u;
  let firstFilter = group.x * ${tileColumns}u;
  let end = min(sizes.positions, (group.z + 1u) * sizes.share);
  var sums: array<array<f32, ${columns}>, ${rows}>;
  for (var start = group.z * sizes.share; start < end; start += ${depth}u) {
    for (var i = index; i < ${depth * tileRows}u; i += ${side * side}u) {
      let position = start + i / ${tileRows}u;
      let weight = firstWeight + i % ${tileRows}u;
      var value = 0.0;
      if (position < end && weight < weights) {
        value = patchValue(position, weight);
      }
      patches[i / ${tileRows}u][i % ${tileRows}u] = stored(value);
    }
    for (var i = index; i < ${depth * tileColumns}u; i += ${side * side}u) {
      let position = start + i / ${tileColumns}u;
      let filter_ = firstFilter + i % ${tileColumns}u;
      var value = 0.0;
      if (position < end && filter_ < filters) {
        value = dy[position * filters + filter_];
      }
      slopes[i / ${tileColumns}u][i % ${tileColumns}u] = value;
    }
    workgroupBarrier();
    for (var k = 0u; k < ${depth}u; k++) {
      for (var r = 0u; r < ${rows}u; r++) {
        let value = f32(patches[k][lane.y + r * ${side}u]);
        for (var c = 0u; c < ${columns}u; c++) {
          sums[r][c] += value * slopes[k][lane.x + c * ${side}u];
        }
      }
    }
    workgroupBarrier();
  }
  for (var r = 0u; r < ${rows}u; r++) {
    let weight = firstWeight + lane.y + r * ${side}u;
    for (var c = 0u; c < ${columns}u; c++) {
      let filter_ = firstFilter + lane.x + c * ${side}u;
      if (weight < weights && filter_ < filters) {
        dw[(group.z * weights + weight) * filters + filter_] = sums[r][c];
      }
    }
  }
}
`;
}

/** Values of a tile's side that each thread makes: as many as are not wasted. */
export function perThread(length: number): number {
  return length > 2 * side ? 4 : length > side ? 2 : 1;
}

/** How the work is cut: the values that each thread makes, and the workgroups that are aimed at. */
interface Tile {
  readonly rows: number;
  readonly columns: number;
  readonly groups: number;
}

function tilesFor(weights: number, filters: number): readonly [Tile, ...Tile[]] {
  const [rows, columns] = [perThread(weights), perThread(filters)];
  return [
    { rows, columns, groups: enoughGroups },
    { rows, columns, groups: 4 * enoughGroups },
    ...(rows === 4 ? [{ rows: 8, columns, groups: enoughGroups }] : []),
    ...(rows === 4 && columns === 4 ? [{ rows: 8, columns: 8, groups: enoughGroups }] : []),
  ];
}

/**
 * dL/dw of a convolution without dilation, in parts: the positions of the output are shared out among as many
 * workgroups as a GPU needs.
 * @param x [N, H, W, Cin]
 * @param dy [N, H′, W′, F]
 * @returns [parts, K·K·Cin, F], whose sum over the parts it is
 */
export function filterGradientParts(
  backend: DawnBackend,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  window: tf.backend_util.Conv2DInfo,
  storage: Storage = 'float32',
): tf.TensorInfo {
  const { batchSize, filterHeight, filterWidth, inChannels, outChannels, outHeight, outWidth } = window;
  const positions = batchSize * outHeight * outWidth;
  const weights = filterHeight * filterWidth * inChannels;
  const run = (tile: Tile): tf.TensorInfo => {
    const { rows, columns, groups } = tile;
    const tiles: [number, number] = [
      Math.ceil(outChannels / (side * columns)),
      Math.ceil(weights / (side * rows)),
    ];
    const shares = Math.min(Math.ceil(groups / (tiles[0] * tiles[1])), Math.ceil(positions / leastShare));
    const share = Math.ceil(positions / shares / depth) * depth;
    const parts = Math.ceil(positions / share);
    const dw = backend.output([parts, weights, outChannels]);
    backend.dispatch({
      kernel: { name: `filter gradient ${rows}×${columns}`, write: () => code(tile), storage },
      constants: { ...windowConstants(window), filters: outChannels, weights },
      sizes: { positions, share },
      inputs: { x, dy },
      outputs: { dw },
      groups: [...tiles, parts],
    });
    return dw;
  };
  const tile = backend.choose(
    `filter gradient ${shapeOf(window)} ${storage}`,
    tilesFor(weights, outChannels),
    (candidate) => [run(candidate)],
  );
  return run(tile);
}

/** dL/dw [K, K, Cin, F]; parameters as in {@link filterGradientParts}. */
export function filterGradient(
  backend: DawnBackend,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  window: tf.backend_util.Conv2DInfo,
): tf.TensorInfo {
  const partial = filterGradientParts(backend, x, dy, window);
  const [parts, weights, filters] = partial.shape as [number, number, number];
  const dw = columnSums(backend, partial, parts, weights * filters, window.filterShape);
  backend.disposeData(partial.dataId);
  return dw;
}
