// Convolutions of 3×3 filters with stride 1, and the gradient of their filters, by minimal filtering F(2×2, 3×3): 16
// multiplications give four values of the output, where their sum takes 36 (Lavin and Gray, Fast Algorithms for
// Convolutional Neural Networks, CVPR 2016, section 4.1). A tile is four by four pixels d of the input:
// y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A. What stands in the brackets is, for each of the 16 points, a product of matrices of all
// tiles with all filters.
import { accumulate, fillFrame, fourPatches, panelWidth } from './panels';
import { lanesAt, scaled, storeLanes } from './vector';

const points: usize = 16;
/** Floats behind each point's plane: at a power of two all planes would fall into the same sets of the cache. */
const planeGap = 16;

/**
 * G g Gᵀ of all filters in panels of eight, each [point, panel, inputs, 8]; the last panel is filled up with zeros.
 * @param inputStep, outputStep distance between inputs and outputs in `w`, in floats: [channels, filters] has filters and 1
 * @param flipped whether the filters are flipped in both directions, as for the gradient of the input
 * @param start, end outputs to transform, the first a multiple of 8
 * @param w [3, 3, channels, filters]
 * @param panels of all outputs
 */
export function transformFilters(
  inputs: i32,
  outputs: i32,
  inputStep: i32,
  outputStep: i32,
  flipped: bool,
  start: i32,
  end: i32,
  w: usize,
  panels: usize,
): void {
  const tap = (<usize>(inputs * outputs)) << 2;
  const step: usize = flipped ? 0 - tap : tap;
  const width = (outputs + panelWidth - 1) & ~(panelWidth - 1);
  const plane = (<usize>(inputs * width)) << 2;
  if (end === outputs && (outputs & 7) !== 0) {
    const last = panels + ((<usize>((outputs & ~7) * inputs)) << 2);
    for (let point: usize = 0; point < points; point++)
      memory.fill(last + point * plane, 0, (<usize>(inputs * panelWidth)) << 2);
  }
  for (let output = start; output < end; output++) {
    const panel = panels + ((<usize>((output & ~7) * inputs + (output & 7))) << 2);
    for (let input = 0; input < inputs; input++) {
      const first = w + ((<usize>(input * inputStep + output * outputStep)) << 2) + (flipped ? 8 * tap : 0);
      const to = panel + ((<usize>(input * panelWidth)) << 2);
      const t0 = f32x4(f32.load(first), f32.load(first + step), f32.load(first + 2 * step), 0);
      const t1 = f32x4(f32.load(first + 3 * step), f32.load(first + 4 * step), f32.load(first + 5 * step), 0);
      const t2 = f32x4(f32.load(first + 6 * step), f32.load(first + 7 * step), f32.load(first + 8 * step), 0);
      const even = scaled(f32x4.add(t0, t2), 0.5);
      const odd = scaled(t1, 0.5);
      storeFilterRow(t0, to, plane);
      storeFilterRow(f32x4.add(even, odd), to + 4 * plane, plane);
      storeFilterRow(f32x4.sub(even, odd), to + 8 * plane, plane);
      storeFilterRow(t2, to + 12 * plane, plane);
    }
  }
}

/** A row of G g, times Gᵀ. */
function storeFilterRow(row: v128, to: usize, plane: usize): void {
  const g0 = f32x4.extract_lane(row, 0);
  const g1 = f32x4.extract_lane(row, 1);
  const g2 = f32x4.extract_lane(row, 2);
  const even: f32 = (g0 + g2) * 0.5;
  const odd: f32 = g1 * 0.5;
  f32.store(to, g0);
  f32.store(to + plane, even + odd);
  f32.store(to + 2 * plane, even - odd);
  f32.store(to + 3 * plane, g2);
}

/** The image that the frame holds. */
let framed: i32 = -1;

/**
 * A convolution with 3×3 filters and stride 1.
 * @param x [images, height, width, channels]
 * @param panels from {@link transformFilters}
 * @param block tiles computed together, a multiple of 4
 * @param frame (outHeight up to a multiple of 2, + 2)·(outWidth likewise)·channels floats, + 4
 * @param tiles 16·(block·(channels up to a multiple of 4) + 16) floats
 * @param products 16·(block·(filters up to a multiple of 8) + 16) floats
 * @param out [images, outHeight, outWidth, filters]
 */
export function convolveTiles(
  images: i32,
  height: i32,
  width: i32,
  channels: i32,
  filters: i32,
  padTop: i32,
  padLeft: i32,
  outHeight: i32,
  outWidth: i32,
  block: i32,
  x: usize,
  panels: usize,
  frame: usize,
  tiles: usize,
  products: usize,
  out: usize,
): void {
  const tilePitch = (channels + 3) & ~3;
  const tilePlane = (<usize>planeOf(block, tilePitch)) << 2;
  const productPitch = (filters + 7) & ~7;
  const productPlane = (<usize>planeOf(block, productPitch)) << 2;
  const panelSize = (<usize>(channels * panelWidth)) << 2;
  const panelPlane = (<usize>(channels * productPitch)) << 2;
  const tileBytes = (<usize>tilePitch) << 2;
  const productBytes = (<usize>productPitch) << 2;
  const perRow = (outWidth + 1) >> 1;
  const perImage = ((outHeight + 1) >> 1) * perRow;
  const all = images * perImage;
  clearFrame(channels, outHeight, outWidth, frame);
  for (let first = 0; first < all; first += block) {
    const count = min(block, all - first);
    transformImages(
      height,
      width,
      channels,
      padTop,
      padLeft,
      outHeight,
      outWidth,
      first,
      count,
      x,
      frame,
      tiles,
      tileBytes,
      tilePlane,
    );
    for (let point: usize = 0; point < points; point++) {
      let panel = panels + point * panelPlane;
      const rows = tiles + point * tilePlane;
      const sums = products + point * productPlane;
      for (let f: usize = 0; f < productBytes; f += 32, panel += panelSize) {
        for (let tile = 0; tile < count; tile += 4) {
          const row = rows + <usize>tile * tileBytes;
          fourPatches(
            row,
            row + tileBytes,
            row + 2 * tileBytes,
            row + 3 * tileBytes,
            0,
            1,
            channels,
            panel,
            sums + <usize>tile * productBytes + f,
            productPitch,
            4,
            panelWidth,
          );
        }
      }
    }
    for (let tile = 0; tile < count; tile++) {
      const index = first + tile;
      const image = index / perImage;
      const row = ((index % perImage) / perRow) << 1;
      const column = (index % perRow) << 1;
      storeOutput(
        products + <usize>tile * productBytes,
        productPlane,
        filters,
        out + ((<usize>(((image * outHeight + row) * outWidth + column) * filters)) << 2),
        outWidth,
        row + 1 < outHeight,
        column + 1 < outWidth,
      );
    }
  }
}

/**
 * What dL/dw of a convolution with 3×3 filters and stride 1 is made of: dU = (Bᵀ d B) ⊙ (A dy Aᵀ) summed over all tiles.
 * Parameters as of {@link convolveTiles}.
 * @param upstreams as `products` there
 * @param sums 16·(channels up to a multiple of 4)·(filters up to a multiple of 8) floats
 */
export function filterGradientOfTiles(
  images: i32,
  height: i32,
  width: i32,
  channels: i32,
  filters: i32,
  padTop: i32,
  padLeft: i32,
  outHeight: i32,
  outWidth: i32,
  block: i32,
  x: usize,
  dy: usize,
  frame: usize,
  tiles: usize,
  upstreams: usize,
  sums: usize,
): void {
  const tilePitch = (channels + 3) & ~3;
  const tilePlane = (<usize>planeOf(block, tilePitch)) << 2;
  const upstreamPitch = (filters + 7) & ~7;
  const upstreamPlane = (<usize>planeOf(block, upstreamPitch)) << 2;
  const tileBytes = (<usize>tilePitch) << 2;
  const upstreamBytes = (<usize>upstreamPitch) << 2;
  const sumPlane = <usize>tilePitch * upstreamBytes;
  const perRow = (outWidth + 1) >> 1;
  const perImage = ((outHeight + 1) >> 1) * perRow;
  const all = images * perImage;
  memory.fill(sums, 0, points * sumPlane);
  clearFrame(channels, outHeight, outWidth, frame);
  for (let first = 0; first < all; first += block) {
    const count = min(block, all - first);
    transformImages(
      height,
      width,
      channels,
      padTop,
      padLeft,
      outHeight,
      outWidth,
      first,
      count,
      x,
      frame,
      tiles,
      tileBytes,
      tilePlane,
    );
    for (let tile = 0; tile < count; tile++) {
      const index = first + tile;
      const image = index / perImage;
      const row = ((index % perImage) / perRow) << 1;
      const column = (index % perRow) << 1;
      transformUpstream(
        dy + ((<usize>(((image * outHeight + row) * outWidth + column) * filters)) << 2),
        filters,
        outWidth,
        row + 1 < outHeight,
        column + 1 < outWidth,
        upstreams + <usize>tile * upstreamBytes,
        upstreamPlane,
      );
    }
    for (let point: usize = 0; point < points; point++) {
      const rows = tiles + point * tilePlane;
      const columns = upstreams + point * upstreamPlane;
      const to = sums + point * sumPlane;
      for (let c: usize = 0; c < tileBytes; c += 16) {
        for (let f: usize = 0; f < upstreamBytes; f += 32) {
          accumulate(
            rows + c,
            0,
            tileBytes,
            columns + f,
            upstreamBytes,
            1,
            count,
            to + (c >> 2) * upstreamBytes + f,
            upstreamBytes,
          );
        }
      }
    }
  }
}

/**
 * dL/dw = Gᵀ dU G of some channels, dU summed over parts.
 * @param start, end channels
 * @param parts of the batch, each with sums of {@link filterGradientOfTiles}, one after another; the first's are written to
 * @param out [3, 3, channels, filters]
 */
export function finishFilterGradient(
  channels: i32,
  filters: i32,
  start: i32,
  end: i32,
  parts: i32,
  sums: usize,
  out: usize,
): void {
  const upstreamBytes = (<usize>((filters + 7) & ~7)) << 2;
  const sumPlane = <usize>((channels + 3) & ~3) * upstreamBytes;
  const partBytes = points * sumPlane;
  for (let c = start; c < end; c++) {
    for (let point: usize = 0; point < points; point++) {
      const to = sums + point * sumPlane + <usize>c * upstreamBytes;
      for (let part = 1; part < parts; part++) {
        const from = to + <usize>part * partBytes;
        for (let at: usize = 0; at < upstreamBytes; at += 16)
          v128.store(to + at, f32x4.add(v128.load(to + at), v128.load(from + at)));
      }
    }
    for (let f = 0; f < filters; f += 4) {
      storeFilterGradient(
        sums + <usize>c * upstreamBytes + ((<usize>f) << 2),
        sumPlane,
        out + ((<usize>(c * filters + f)) << 2),
        (<usize>(channels * filters)) << 2,
        lanesAt(f, filters),
      );
    }
  }
}

/** Floats between the planes of two points. */
function planeOf(block: i32, pitch: i32): i32 {
  return block * pitch + planeGap;
}

function clearFrame(channels: i32, outHeight: i32, outWidth: i32, frame: usize): void {
  const height = ((outHeight + 1) & ~1) + 2;
  const width = ((outWidth + 1) & ~1) + 2;
  memory.fill(frame, 0, (<usize>(height * width * channels + 4)) << 2);
  framed = -1;
}

/** Bᵀ d B of `count` tiles from the first, [point, tile, channels]. */
function transformImages(
  height: i32,
  width: i32,
  channels: i32,
  padTop: i32,
  padLeft: i32,
  outHeight: i32,
  outWidth: i32,
  first: i32,
  count: i32,
  x: usize,
  frame: usize,
  tiles: usize,
  tileBytes: usize,
  tilePlane: usize,
): void {
  const perRow = (outWidth + 1) >> 1;
  const perColumn = (outHeight + 1) >> 1;
  const perImage = perColumn * perRow;
  const frameHeight = 2 * perColumn + 2;
  const frameWidth = 2 * perRow + 2;
  const pixel = (<usize>channels) << 2;
  const pitch = <usize>frameWidth * pixel;
  for (let tile = 0; tile < count; tile++) {
    const index = first + tile;
    const image = index / perImage;
    if (image !== framed) {
      const from = x + <usize>(image * height * width) * pixel;
      fillFrame(from, height, width, channels, 1, 1, padTop, padLeft, frameHeight, frameWidth, frame);
      framed = image;
    }
    const row = ((index % perImage) / perRow) << 1;
    const column = (index % perRow) << 1;
    const from = frame + <usize>row * pitch + <usize>column * pixel;
    const to = tiles + <usize>tile * tileBytes;
    for (let c: usize = 0; c < tileBytes; c += 16) transformTile(from + c, pitch, pixel, to + c, tilePlane);
  }
}

/** Bᵀ d B of four channels. */
function transformTile(d: usize, pitch: usize, pixel: usize, to: usize, plane: usize): void {
  const d1 = d + pitch;
  const d2 = d1 + pitch;
  const d3 = d2 + pitch;
  storeTileRow(
    f32x4.sub(v128.load(d), v128.load(d2)),
    f32x4.sub(v128.load(d + pixel), v128.load(d2 + pixel)),
    f32x4.sub(v128.load(d + 2 * pixel), v128.load(d2 + 2 * pixel)),
    f32x4.sub(v128.load(d + 3 * pixel), v128.load(d2 + 3 * pixel)),
    to,
    plane,
  );
  storeTileRow(
    f32x4.add(v128.load(d1), v128.load(d2)),
    f32x4.add(v128.load(d1 + pixel), v128.load(d2 + pixel)),
    f32x4.add(v128.load(d1 + 2 * pixel), v128.load(d2 + 2 * pixel)),
    f32x4.add(v128.load(d1 + 3 * pixel), v128.load(d2 + 3 * pixel)),
    to + 4 * plane,
    plane,
  );
  storeTileRow(
    f32x4.sub(v128.load(d2), v128.load(d1)),
    f32x4.sub(v128.load(d2 + pixel), v128.load(d1 + pixel)),
    f32x4.sub(v128.load(d2 + 2 * pixel), v128.load(d1 + 2 * pixel)),
    f32x4.sub(v128.load(d2 + 3 * pixel), v128.load(d1 + 3 * pixel)),
    to + 8 * plane,
    plane,
  );
  storeTileRow(
    f32x4.sub(v128.load(d1), v128.load(d3)),
    f32x4.sub(v128.load(d1 + pixel), v128.load(d3 + pixel)),
    f32x4.sub(v128.load(d1 + 2 * pixel), v128.load(d3 + 2 * pixel)),
    f32x4.sub(v128.load(d1 + 3 * pixel), v128.load(d3 + 3 * pixel)),
    to + 12 * plane,
    plane,
  );
}

/** A row of Bᵀ d, times B. */
function storeTileRow(t0: v128, t1: v128, t2: v128, t3: v128, to: usize, plane: usize): void {
  v128.store(to, f32x4.sub(t0, t2));
  v128.store(to + plane, f32x4.add(t1, t2));
  v128.store(to + 2 * plane, f32x4.sub(t2, t1));
  v128.store(to + 3 * plane, f32x4.sub(t1, t3));
}

/** Aᵀ m A of a tile, all filters: two rows of two pixels, of which the second row or column may lie beyond the image. */
function storeOutput(
  products: usize,
  plane: usize,
  filters: i32,
  out: usize,
  outWidth: i32,
  hasSecondRow: bool,
  hasSecondColumn: bool,
): void {
  const pixel = (<usize>filters) << 2;
  const below = out + <usize>outWidth * pixel;
  for (let f = 0; f < filters; f += 4) {
    const lanes = lanesAt(f, filters);
    const at = (<usize>f) << 2;
    const m = products + at;
    const m0 = rowOfOutput(m, plane, 0);
    const m1 = rowOfOutput(m, plane, 1);
    const m2 = rowOfOutput(m, plane, 2);
    const m3 = rowOfOutput(m, plane, 3);
    storeLanes(out + at, f32x4.add(f32x4.add(m0, m1), m2), lanes);
    if (hasSecondColumn) storeLanes(out + pixel + at, f32x4.sub(f32x4.sub(m1, m2), m3), lanes);
    if (!hasSecondRow) continue;
    const n0 = secondRowOfOutput(m, plane, 0);
    const n1 = secondRowOfOutput(m, plane, 1);
    const n2 = secondRowOfOutput(m, plane, 2);
    const n3 = secondRowOfOutput(m, plane, 3);
    storeLanes(below + at, f32x4.add(f32x4.add(n0, n1), n2), lanes);
    if (hasSecondColumn) storeLanes(below + pixel + at, f32x4.sub(f32x4.sub(n1, n2), n3), lanes);
  }
}

/** A column's value in the first row of Aᵀ m. */
function rowOfOutput(m: usize, plane: usize, column: usize): v128 {
  const at = m + column * plane;
  return f32x4.add(f32x4.add(v128.load(at), v128.load(at + 4 * plane)), v128.load(at + 8 * plane));
}

/** A column's value in the second row of Aᵀ m. */
function secondRowOfOutput(m: usize, plane: usize, column: usize): v128 {
  const at = m + column * plane;
  return f32x4.sub(
    f32x4.sub(v128.load(at + 4 * plane), v128.load(at + 8 * plane)),
    v128.load(at + 12 * plane),
  );
}

/** A dy Aᵀ of a tile, all filters; what lies beyond the image counts as 0. */
function transformUpstream(
  dy: usize,
  filters: i32,
  outWidth: i32,
  hasSecondRow: bool,
  hasSecondColumn: bool,
  to: usize,
  plane: usize,
): void {
  const pixel = (<usize>filters) << 2;
  const below = dy + <usize>outWidth * pixel;
  const zero = f32x4.splat(0);
  for (let at: usize = 0; at < pixel; at += 16) {
    const d00 = v128.load(dy + at);
    const d01 = hasSecondColumn ? v128.load(dy + pixel + at) : zero;
    const d10 = hasSecondRow ? v128.load(below + at) : zero;
    const d11 = hasSecondRow && hasSecondColumn ? v128.load(below + pixel + at) : zero;
    storeUpstreamRow(d00, d01, to + at, plane);
    storeUpstreamRow(f32x4.add(d00, d10), f32x4.add(d01, d11), to + 4 * plane + at, plane);
    storeUpstreamRow(f32x4.sub(d00, d10), f32x4.sub(d01, d11), to + 8 * plane + at, plane);
    storeUpstreamRow(f32x4.neg(d10), f32x4.neg(d11), to + 12 * plane + at, plane);
  }
}

/** A row of A dy, times Aᵀ. */
function storeUpstreamRow(a: v128, b: v128, to: usize, plane: usize): void {
  v128.store(to, a);
  v128.store(to + plane, f32x4.add(a, b));
  v128.store(to + 2 * plane, f32x4.sub(a, b));
  v128.store(to + 3 * plane, f32x4.neg(b));
}

/** Gᵀ dU G of one channel and four filters. */
function storeFilterGradient(u: usize, plane: usize, out: usize, tap: usize, lanes: i32): void {
  for (let row: usize = 0; row < 3; row++) {
    const h0 = rowOfGradient(u, plane, row);
    const h1 = rowOfGradient(u + plane, plane, row);
    const h2 = rowOfGradient(u + 2 * plane, plane, row);
    const h3 = rowOfGradient(u + 3 * plane, plane, row);
    const even = scaled(f32x4.add(h1, h2), 0.5);
    const to = out + 3 * row * tap;
    storeLanes(to, f32x4.add(h0, even), lanes);
    storeLanes(to + tap, scaled(f32x4.sub(h1, h2), 0.5), lanes);
    storeLanes(to + 2 * tap, f32x4.add(even, h3), lanes);
  }
}

/** A column's value in a row of Gᵀ dU. */
function rowOfGradient(u: usize, plane: usize, row: usize): v128 {
  const u1 = v128.load(u + 4 * plane);
  const u2 = v128.load(u + 8 * plane);
  if (row === 1) return scaled(f32x4.sub(u1, u2), 0.5);
  return f32x4.add(scaled(f32x4.add(u1, u2), 0.5), v128.load(row === 0 ? u : u + 12 * plane));
}
