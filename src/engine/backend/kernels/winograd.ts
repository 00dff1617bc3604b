// Convolutions of 3×3 filters with stride 1, and the gradient of their filters, by minimal filtering F(4×4, 3×3): 36
// multiplications give sixteen values of the output, where their sum takes 144 (Lavin and Gray, Fast Algorithms for
// Convolutional Neural Networks, CVPR 2016, section 4). A tile is six by six pixels d of the input:
// y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A. What stands in the brackets is, for each of the 36 points, a product of matrices of all
// tiles with all filters. The transforms interpolate at 0, ±√½, ±√2 and ∞: their factors are smaller than those of the
// usual 0, ±1, ±2 and ∞, and so are the errors of float32.
import { accumulate, fillFrame, fourPatches, panelWidth } from './panels';
import {
  constants,
  half,
  lanesAt,
  multiplyAdd,
  rootHalf,
  rootTwo,
  storeLanes,
  two,
  twoAndHalf,
} from './vector';

/** Pixels of the input that a tile has in a row, and points of one dimension. */
const side: usize = 6;
const points: usize = side * side;
/** Pixels of the output that a tile has in a row. */
const tileSize = 4;
/** Floats behind each point's plane: at a power of two all planes would fall into the same sets of the cache. */
const planeGap = 16;

/**
 * G g Gᵀ of all filters in panels of eight, each [point, panel, inputs, 8]; the last panel is filled up with zeros.
 * @param inputStep, outputStep distance between inputs and outputs in `w`, in floats: [channels, filters] has filters and 1
 * @param flipped whether the filters are flipped in both directions, as for the gradient of the input
 * @param start, end outputs to transform, the first a multiple of 8
 * @param w [3, 3, channels, filters]
 * @param panels of all outputs: 36·(inputs·(outputs up to a multiple of 8) + 16) floats
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
  const outputBytes = (<usize>outputStep) << 2;
  const plane = panelPlaneOf(inputs, outputs);
  for (let output = start; output < upTo8(end); output += 4) {
    const panel = panels + ((<usize>((output & ~7) * inputs + (output & 7))) << 2);
    const lanes = lanesAt(output, outputs);
    for (let input = 0; input < inputs; input++) {
      const first = w + ((<usize>(input * inputStep + output * outputStep)) << 2) + (flipped ? 8 * tap : 0);
      const to = panel + ((<usize>(input * panelWidth)) << 2);
      transformWeights(first, step, outputBytes, lanes, to, plane);
    }
  }
}

/** G g Gᵀ of one input's weights to four outputs, of which some may not be there. */
function transformWeights(
  first: usize,
  step: usize,
  outputBytes: usize,
  lanes: i32,
  to: usize,
  plane: usize,
): void {
  const at = constants();
  const g00 = gathered(first, outputBytes, lanes);
  const g01 = gathered(first + step, outputBytes, lanes);
  const g02 = gathered(first + 2 * step, outputBytes, lanes);
  const g10 = gathered(first + 3 * step, outputBytes, lanes);
  const g11 = gathered(first + 4 * step, outputBytes, lanes);
  const g12 = gathered(first + 5 * step, outputBytes, lanes);
  const g20 = gathered(first + 6 * step, outputBytes, lanes);
  const g21 = gathered(first + 7 * step, outputBytes, lanes);
  const g22 = gathered(first + 8 * step, outputBytes, lanes);
  const row = side * plane;
  storeWeightRow(g00, g01, g02, to, plane);
  storeWeightRow(g20, g21, g22, to + 5 * row, plane);
  storeWeightRows(
    multiplyAdd(g20, v128.load(at, half), g00),
    multiplyAdd(g21, v128.load(at, half), g01),
    multiplyAdd(g22, v128.load(at, half), g02),
    f32x4.mul(g10, v128.load(at, rootHalf)),
    f32x4.mul(g11, v128.load(at, rootHalf)),
    f32x4.mul(g12, v128.load(at, rootHalf)),
    f32x4.splat(-2.0 / 3.0),
    to + row,
    plane,
  );
  storeWeightRows(
    multiplyAdd(g20, v128.load(at, two), g00),
    multiplyAdd(g21, v128.load(at, two), g01),
    multiplyAdd(g22, v128.load(at, two), g02),
    f32x4.mul(g10, v128.load(at, rootTwo)),
    f32x4.mul(g11, v128.load(at, rootTwo)),
    f32x4.mul(g12, v128.load(at, rootTwo)),
    f32x4.splat(1.0 / 6.0),
    to + 3 * row,
    plane,
  );
}

/** Four weights, 0 for those that are not there. */
function gathered(at: usize, step: usize, lanes: i32): v128 {
  if (step === 4 && lanes === 4) return v128.load(at);
  const zero: f32 = 0;
  return f32x4(
    lanes > 0 ? f32.load(at) : zero,
    lanes > 1 ? f32.load(at + step) : zero,
    lanes > 2 ? f32.load(at + 2 * step) : zero,
    lanes > 3 ? f32.load(at + 3 * step) : zero,
  );
}

/** Two rows of G g, (even ± odd)·factor, each times Gᵀ. */
function storeWeightRows(
  even0: v128,
  even1: v128,
  even2: v128,
  odd0: v128,
  odd1: v128,
  odd2: v128,
  factor: v128,
  to: usize,
  plane: usize,
): void {
  storeWeightRow(
    f32x4.mul(f32x4.add(even0, odd0), factor),
    f32x4.mul(f32x4.add(even1, odd1), factor),
    f32x4.mul(f32x4.add(even2, odd2), factor),
    to,
    plane,
  );
  storeWeightRow(
    f32x4.mul(f32x4.sub(even0, odd0), factor),
    f32x4.mul(f32x4.sub(even1, odd1), factor),
    f32x4.mul(f32x4.sub(even2, odd2), factor),
    to + side * plane,
    plane,
  );
}

/** A row of G g, times Gᵀ. */
function storeWeightRow(g0: v128, g1: v128, g2: v128, to: usize, plane: usize): void {
  const at = constants();
  v128.store(to, g0);
  const near = f32x4.splat(-2.0 / 3.0);
  const far = f32x4.splat(1.0 / 6.0);
  storePair(
    f32x4.mul(multiplyAdd(g2, v128.load(at, half), g0), near),
    f32x4.mul(f32x4.mul(g1, v128.load(at, rootHalf)), near),
    to + plane,
    plane,
  );
  storePair(
    f32x4.mul(multiplyAdd(g2, v128.load(at, two), g0), far),
    f32x4.mul(f32x4.mul(g1, v128.load(at, rootTwo)), far),
    to + 3 * plane,
    plane,
  );
  v128.store(to + 5 * plane, g2);
}

/** What a point and its negative give: even ± odd. */
function storePair(even: v128, odd: v128, to: usize, plane: usize): void {
  v128.store(to, f32x4.add(even, odd));
  v128.store(to + plane, f32x4.sub(even, odd));
}

/** The image that the frame holds. */
let framed: i32 = -1;

/**
 * A convolution with 3×3 filters and stride 1.
 * @param x [images, height, width, channels]
 * @param panels from {@link transformFilters}
 * @param block tiles computed together, a multiple of 4
 * @param frame (outHeight up to a multiple of 4, + 2)·(outWidth likewise)·channels floats, + 4
 * @param tiles 36·(block·(channels up to a multiple of 4) + 16) floats
 * @param products 36·(block·(filters up to a multiple of 8) + 16) floats
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
  const productPitch = upTo8(filters);
  const productPlane = (<usize>planeOf(block, productPitch)) << 2;
  const panelSize = (<usize>(channels * panelWidth)) << 2;
  const panelPlane = panelPlaneOf(channels, filters);
  const tileBytes = (<usize>tilePitch) << 2;
  const productBytes = (<usize>productPitch) << 2;
  const perRow = tilesAlong(outWidth);
  const perImage = tilesAlong(outHeight) * perRow;
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
      const row = ((index % perImage) / perRow) * tileSize;
      const column = (index % perRow) * tileSize;
      storeOutput(
        products + <usize>tile * productBytes,
        productPlane,
        filters,
        out + ((<usize>(((image * outHeight + row) * outWidth + column) * filters)) << 2),
        outWidth,
        min(tileSize, outHeight - row),
        min(tileSize, outWidth - column),
      );
    }
  }
}

/**
 * What dL/dw of a convolution with 3×3 filters and stride 1 is made of: dU = (Bᵀ d B) ⊙ (A dy Aᵀ) summed over all tiles.
 * Parameters as of {@link convolveTiles}.
 * @param upstreams as `products` there
 * @param sums [channels up to a multiple of 4, 36, filters up to a multiple of 8]
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
  const upstreamPitch = upTo8(filters);
  const upstreamPlane = (<usize>planeOf(block, upstreamPitch)) << 2;
  const tileBytes = (<usize>tilePitch) << 2;
  const upstreamBytes = (<usize>upstreamPitch) << 2;
  const sumPitch = points * upstreamBytes;
  const perRow = tilesAlong(outWidth);
  const perImage = tilesAlong(outHeight) * perRow;
  const all = images * perImage;
  memory.fill(sums, 0, <usize>tilePitch * sumPitch);
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
      const row = ((index % perImage) / perRow) * tileSize;
      const column = (index % perRow) * tileSize;
      transformUpstream(
        dy + ((<usize>(((image * outHeight + row) * outWidth + column) * filters)) << 2),
        filters,
        outWidth,
        min(tileSize, outHeight - row),
        min(tileSize, outWidth - column),
        upstreams + <usize>tile * upstreamBytes,
        upstreamPlane,
      );
    }
    for (let point: usize = 0; point < points; point++) {
      const rows = tiles + point * tilePlane;
      const columns = upstreams + point * upstreamPlane;
      const to = sums + point * upstreamBytes;
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
            to + (c >> 2) * sumPitch + f,
            sumPitch,
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
  const upstreamBytes = (<usize>upTo8(filters)) << 2;
  const sumPitch = points * upstreamBytes;
  const partBytes = <usize>((channels + 3) & ~3) * sumPitch;
  for (let c = start; c < end; c++) {
    const to = sums + <usize>c * sumPitch;
    for (let part = 1; part < parts; part++) {
      const from = to + <usize>part * partBytes;
      for (let at: usize = 0; at < sumPitch; at += 16)
        v128.store(to + at, f32x4.add(v128.load(to + at), v128.load(from + at)));
    }
    for (let f = 0; f < filters; f += 4) {
      storeFilterGradient(
        to + ((<usize>f) << 2),
        upstreamBytes,
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

/** Bytes between two points' panels. */
function panelPlaneOf(inputs: i32, outputs: i32): usize {
  return (<usize>planeOf(inputs, upTo8(outputs))) << 2;
}

function upTo8(length: i32): i32 {
  return (length + 7) & ~7;
}

function tilesAlong(length: i32): i32 {
  return (length + tileSize - 1) / tileSize;
}

function clearFrame(channels: i32, outHeight: i32, outWidth: i32, frame: usize): void {
  const height = tilesAlong(outHeight) * tileSize + 2;
  const width = tilesAlong(outWidth) * tileSize + 2;
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
  const perRow = tilesAlong(outWidth);
  const perColumn = tilesAlong(outHeight);
  const perImage = perColumn * perRow;
  const frameHeight = tileSize * perColumn + 2;
  const frameWidth = tileSize * perRow + 2;
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
    const row = ((index % perImage) / perRow) * tileSize;
    const column = (index % perRow) * tileSize;
    const from = frame + <usize>row * pitch + <usize>column * pixel;
    const to = tiles + <usize>tile * tileBytes;
    for (let c: usize = 0; c < tileBytes; c += 16) transformTile(from + c, pitch, pixel, to + c, tilePlane);
  }
}

/** Bᵀ d B of four channels. */
function transformTile(d: usize, pitch: usize, pixel: usize, to: usize, plane: usize): void {
  const at = constants();
  const row = side * plane;
  transformOuterRow(d, pitch, pixel, to, plane);
  transformPair(d, pitch, pixel, v128.load(at, two), v128.load(at, rootHalf), to + row, plane);
  transformPair(d, pitch, pixel, v128.load(at, half), v128.load(at, rootTwo), to + 3 * row, plane);
  transformOuterRow(d + pitch, pitch, pixel, to + 5 * row, plane);
}

/** The row of Bᵀ d for 0, or of the next pixels for ∞, times B. */
function transformOuterRow(d: usize, pitch: usize, pixel: usize, to: usize, plane: usize): void {
  const factor = v128.load(constants(), twoAndHalf);
  storeTileRow(
    outer(d, pitch, factor),
    outer(d + pixel, pitch, factor),
    outer(d + 2 * pixel, pitch, factor),
    outer(d + 3 * pixel, pitch, factor),
    outer(d + 4 * pixel, pitch, factor),
    outer(d + 5 * pixel, pitch, factor),
    to,
    plane,
  );
}

/** d0 − 5/2·d2 + d4 of pixels a step apart. */
function outer(d: usize, step: usize, twoAndHalf: v128): v128 {
  const ends = f32x4.add(v128.load(d), v128.load(d + 4 * step));
  return less(ends, v128.load(d + 2 * step), twoAndHalf);
}

/** The rows of Bᵀ d for p and −p, d4 − d2·`square` ± (d3 − d1·`square`)·p, times B; `square` is that of the other pair's point. */
function transformPair(
  d: usize,
  pitch: usize,
  pixel: usize,
  square: v128,
  p: v128,
  to: usize,
  plane: usize,
): void {
  const d1 = d + pitch;
  const d2 = d1 + pitch;
  const even0 = inner(d2, pitch, square);
  const even1 = inner(d2 + pixel, pitch, square);
  const even2 = inner(d2 + 2 * pixel, pitch, square);
  const even3 = inner(d2 + 3 * pixel, pitch, square);
  const even4 = inner(d2 + 4 * pixel, pitch, square);
  const even5 = inner(d2 + 5 * pixel, pitch, square);
  const odd0 = f32x4.mul(inner(d1, pitch, square), p);
  const odd1 = f32x4.mul(inner(d1 + pixel, pitch, square), p);
  const odd2 = f32x4.mul(inner(d1 + 2 * pixel, pitch, square), p);
  const odd3 = f32x4.mul(inner(d1 + 3 * pixel, pitch, square), p);
  const odd4 = f32x4.mul(inner(d1 + 4 * pixel, pitch, square), p);
  const odd5 = f32x4.mul(inner(d1 + 5 * pixel, pitch, square), p);
  storeTileRow(
    f32x4.add(even0, odd0),
    f32x4.add(even1, odd1),
    f32x4.add(even2, odd2),
    f32x4.add(even3, odd3),
    f32x4.add(even4, odd4),
    f32x4.add(even5, odd5),
    to,
    plane,
  );
  storeTileRow(
    f32x4.sub(even0, odd0),
    f32x4.sub(even1, odd1),
    f32x4.sub(even2, odd2),
    f32x4.sub(even3, odd3),
    f32x4.sub(even4, odd4),
    f32x4.sub(even5, odd5),
    to + side * plane,
    plane,
  );
}

/** The pixel two steps on, less this one times `square`. */
function inner(d: usize, step: usize, square: v128): v128 {
  return less(v128.load(d + 2 * step), v128.load(d), square);
}

/** a − b·factor. */
function less(a: v128, b: v128, factor: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(b, factor, a);
  return f32x4.sub(a, f32x4.mul(b, factor));
}

/** A row of Bᵀ d, times B. */
function storeTileRow(
  t0: v128,
  t1: v128,
  t2: v128,
  t3: v128,
  t4: v128,
  t5: v128,
  to: usize,
  plane: usize,
): void {
  const at = constants();
  v128.store(to, less(f32x4.add(t0, t4), t2, v128.load(at, twoAndHalf)));
  storePair(
    less(t4, t2, v128.load(at, two)),
    f32x4.mul(less(t3, t1, v128.load(at, two)), v128.load(at, rootHalf)),
    to + plane,
    plane,
  );
  storePair(
    less(t4, t2, v128.load(at, half)),
    f32x4.mul(less(t3, t1, v128.load(at, half)), v128.load(at, rootTwo)),
    to + 3 * plane,
    plane,
  );
  v128.store(to + 5 * plane, less(f32x4.add(t1, t5), t3, v128.load(at, twoAndHalf)));
}

/**
 * Aᵀ m A of a tile, all filters.
 * @param products the first four rows of the points are written over
 * @param rows, columns of the tile that lie within the image
 */
function storeOutput(
  products: usize,
  plane: usize,
  filters: i32,
  out: usize,
  outWidth: i32,
  rows: i32,
  columns: i32,
): void {
  const pixel = (<usize>filters) << 2;
  const row = side * plane;
  for (let f = 0; f < filters; f += 4) {
    const lanes = lanesAt(f, filters);
    const at = (<usize>f) << 2;
    const m = products + at;
    for (let column: usize = 0; column < side; column++) {
      const from = m + column * plane;
      storeValues(from, row, from, row, tileSize, 4);
    }
    for (let r = 0; r < rows; r++)
      storeValues(m + <usize>r * row, plane, out + <usize>(r * outWidth) * pixel + at, pixel, columns, lanes);
  }
}

/** Aᵀ m of six products a step apart: the first `count` of four values, `toStep` apart. */
function storeValues(m: usize, step: usize, to: usize, toStep: usize, count: i32, lanes: i32): void {
  const at = constants();
  const m1 = v128.load(m + step);
  const m2 = v128.load(m + 2 * step);
  const m3 = v128.load(m + 3 * step);
  const m4 = v128.load(m + 4 * step);
  const m5 = v128.load(m + 5 * step);
  const nearEven = f32x4.add(m1, m2);
  const farEven = f32x4.add(m3, m4);
  const nearOdd = f32x4.mul(f32x4.sub(m1, m2), v128.load(at, rootHalf));
  const farOdd = f32x4.mul(f32x4.sub(m3, m4), v128.load(at, rootTwo));
  storeLanes(to, f32x4.add(f32x4.add(v128.load(m), nearEven), farEven), lanes);
  if (count === 1) return;
  storeLanes(to + toStep, f32x4.add(nearOdd, farOdd), lanes);
  if (count === 2) return;
  storeLanes(
    to + 2 * toStep,
    multiplyAdd(farEven, v128.load(at, two), f32x4.mul(nearEven, v128.load(at, half))),
    lanes,
  );
  if (count === 3) return;
  storeLanes(
    to + 3 * toStep,
    multiplyAdd(farOdd, v128.load(at, two), multiplyAdd(nearOdd, v128.load(at, half), m5)),
    lanes,
  );
}

/** A dy Aᵀ of a tile, all filters; what lies beyond the image, of which `rows` and `columns` are within, counts as 0. */
function transformUpstream(
  dy: usize,
  filters: i32,
  outWidth: i32,
  rows: i32,
  columns: i32,
  to: usize,
  plane: usize,
): void {
  const pixel = (<usize>filters) << 2;
  const pitch = <usize>outWidth * pixel;
  const row = side * plane;
  for (let f: usize = 0; f < pixel; f += 16) {
    for (let column = 0; column < tileSize; column++) {
      const from = dy + <usize>column * pixel + f;
      storeUpstreams(from, pitch, column < columns ? rows : 0, to + <usize>column * plane + f, row);
    }
    // Of each of the six rows there are four values now, and six go back.
    for (let r: usize = 0; r < side; r++) {
      const from = to + r * row + f;
      storeUpstreams(from, plane, tileSize, from, plane);
    }
  }
}

/** A dy of four values a step apart, of which those beyond `count` are 0: six values, `toStep` apart. */
function storeUpstreams(dy: usize, step: usize, count: i32, to: usize, toStep: usize): void {
  const at = constants();
  const zero = f32x4.splat(0);
  const d0 = count > 0 ? v128.load(dy) : zero;
  const d1 = count > 1 ? v128.load(dy + step) : zero;
  const d2 = count > 2 ? v128.load(dy + 2 * step) : zero;
  const d3 = count > 3 ? v128.load(dy + 3 * step) : zero;
  v128.store(to, d0);
  storePair(
    multiplyAdd(d2, v128.load(at, half), d0),
    f32x4.mul(multiplyAdd(d3, v128.load(at, half), d1), v128.load(at, rootHalf)),
    to + toStep,
    toStep,
  );
  storePair(
    multiplyAdd(d2, v128.load(at, two), d0),
    f32x4.mul(multiplyAdd(d3, v128.load(at, two), d1), v128.load(at, rootTwo)),
    to + 3 * toStep,
    toStep,
  );
  v128.store(to + 5 * toStep, d3);
}

/**
 * Gᵀ dU G of one channel and four filters.
 * @param u [36] points, `step` apart; the first three of each six are written over
 */
function storeFilterGradient(u: usize, step: usize, out: usize, tap: usize, lanes: i32): void {
  for (let row: usize = 0; row < side; row++) {
    const from = u + row * side * step;
    storeWeightGradients(from, step, from, step, 4);
  }
  for (let column: usize = 0; column < 3; column++)
    storeWeightGradients(u + column * step, side * step, out + column * tap, 3 * tap, lanes);
}

/** Gᵀ u of six sums a step apart: three values, `toStep` apart. */
function storeWeightGradients(u: usize, step: usize, to: usize, toStep: usize, lanes: i32): void {
  const at = constants();
  const u1 = v128.load(u + step);
  const u2 = v128.load(u + 2 * step);
  const u3 = v128.load(u + 3 * step);
  const u4 = v128.load(u + 4 * step);
  const u5 = v128.load(u + 5 * step);
  const near = f32x4.splat(-2.0 / 3.0);
  const far = f32x4.splat(1.0 / 6.0);
  const nearEven = f32x4.mul(f32x4.add(u1, u2), near);
  const farEven = f32x4.mul(f32x4.add(u3, u4), far);
  const nearOdd = f32x4.mul(f32x4.mul(f32x4.sub(u1, u2), near), v128.load(at, rootHalf));
  const farOdd = f32x4.mul(f32x4.mul(f32x4.sub(u3, u4), far), v128.load(at, rootTwo));
  storeLanes(to, f32x4.add(f32x4.add(v128.load(u), nearEven), farEven), lanes);
  storeLanes(to + toStep, f32x4.add(nearOdd, farOdd), lanes);
  storeLanes(
    to + 2 * toStep,
    multiplyAdd(farEven, v128.load(at, two), multiplyAdd(nearEven, v128.load(at, half), u5)),
    lanes,
  );
}
