import { multiplyAdd, storeLanes } from './vector';

/** Filters computed together: two vectors. */
const panelWidth = 8;

/**
 * Filters in panels of eight, each [kernelHeight, kernelWidth, channels, 8], so that the convolution reads them in order;
 * the last panel is filled up with zeros.
 * @param w [kernelHeight, kernelWidth, channels, filters]
 */
export function packFilters(
  kernelHeight: i32,
  kernelWidth: i32,
  channels: i32,
  filters: i32,
  w: usize,
  panels: usize,
): void {
  const depth = kernelHeight * kernelWidth * channels;
  let to = panels;
  for (let first = 0; first < filters; first += panelWidth) {
    const width = min(panelWidth, filters - first);
    for (let d = 0; d < depth; d++, to += 32) {
      v128.store(to, f32x4.splat(0));
      v128.store(to, f32x4.splat(0), 16);
      memory.copy(to, w + ((<usize>(d * filters + first)) << 2), (<usize>width) << 2);
    }
  }
}

/**
 * As {@link packFilters}, of the filters that take dy back to dx: flipped in both directions, with channels and filters
 * swapped. The panels are of `channels`.
 */
export function packFlippedFilters(
  kernelHeight: i32,
  kernelWidth: i32,
  channels: i32,
  filters: i32,
  w: usize,
  panels: usize,
): void {
  let to = panels;
  for (let first = 0; first < channels; first += panelWidth) {
    const width = min(panelWidth, channels - first);
    for (let tap = kernelHeight * kernelWidth - 1; tap >= 0; tap--) {
      for (let f = 0; f < filters; f++, to += 32) {
        for (let c = 0; c < panelWidth; c++) {
          const from = w + ((<usize>((tap * channels + first + c) * filters + f)) << 2);
          f32.store(to + ((<usize>c) << 2), c < width ? f32.load(from) : 0);
        }
      }
    }
  }
}

/**
 * A convolution. Each image is copied into a zero-padded frame, in which the kernelWidth·channels values under a row of
 * the window lie side by side; four patches are taken against eight filters, so that their sums stay in registers.
 * @param x [images, height, width, channels]
 * @param spreadHeight, spreadWidth distance between the image's rows and columns in the frame, zeros between: 1, or
 *   the stride of the convolution whose gradient this is
 * @param panels from {@link packFilters}
 * @param frame ((outHeight − 1)·strideHeight + kernelHeight)·((outWidth − 1)·strideWidth + kernelWidth)·channels floats
 * @param out [images, outHeight, outWidth, filters]
 */
export function convolve(
  images: i32,
  height: i32,
  width: i32,
  channels: i32,
  spreadHeight: i32,
  spreadWidth: i32,
  kernelHeight: i32,
  kernelWidth: i32,
  filters: i32,
  strideHeight: i32,
  strideWidth: i32,
  padTop: i32,
  padLeft: i32,
  outHeight: i32,
  outWidth: i32,
  x: usize,
  panels: usize,
  frame: usize,
  out: usize,
): void {
  const frameHeight = (outHeight - 1) * strideHeight + kernelHeight;
  const frameWidth = (outWidth - 1) * strideWidth + kernelWidth;
  const pixel = (<usize>channels) << 2;
  const framePitch = <usize>frameWidth * pixel;
  const depth = kernelWidth * channels;
  const panelSize = (<usize>(kernelHeight * depth)) << 5;
  const patches = outHeight * outWidth;
  const rowStep = <usize>strideHeight * framePitch;
  const patchStep = <usize>strideWidth * pixel;
  memory.fill(frame, 0, <usize>frameHeight * framePitch);
  for (let image = 0; image < images; image++) {
    const from = x + <usize>(image * height * width) * pixel;
    fillFrame(
      from,
      height,
      width,
      channels,
      spreadHeight,
      spreadWidth,
      padTop,
      padLeft,
      frameHeight,
      frameWidth,
      frame,
    );
    const to = out + ((<usize>(image * patches * filters)) << 2);
    let panel = panels;
    for (let f = 0; f < filters; f += panelWidth, panel += panelSize) {
      const lanes = min(panelWidth, filters - f);
      let row = 0;
      let column = 0;
      for (let patch = 0; patch < patches; patch += 4) {
        // Four patches in reading order; past the last one, the last again.
        const p0 = frame + <usize>row * rowStep + <usize>column * patchStep;
        if (patch + 1 < patches && ++column === outWidth) {
          column = 0;
          row++;
        }
        const p1 = frame + <usize>row * rowStep + <usize>column * patchStep;
        if (patch + 2 < patches && ++column === outWidth) {
          column = 0;
          row++;
        }
        const p2 = frame + <usize>row * rowStep + <usize>column * patchStep;
        if (patch + 3 < patches && ++column === outWidth) {
          column = 0;
          row++;
        }
        const p3 = frame + <usize>row * rowStep + <usize>column * patchStep;
        if (patch + 4 < patches && ++column === outWidth) {
          column = 0;
          row++;
        }
        const target = to + ((<usize>(patch * filters + f)) << 2);
        fourPatches(
          p0,
          p1,
          p2,
          p3,
          framePitch,
          kernelHeight,
          depth,
          panel,
          target,
          filters,
          min(4, patches - patch),
          lanes,
        );
      }
    }
  }
}

/** Copy an image into the frame; what lies around and between its pixels there stays zero. */
function fillFrame(
  from: usize,
  height: i32,
  width: i32,
  channels: i32,
  spreadHeight: i32,
  spreadWidth: i32,
  padTop: i32,
  padLeft: i32,
  frameHeight: i32,
  frameWidth: i32,
  frame: usize,
): void {
  const pixel = (<usize>channels) << 2;
  for (let row = 0; row < height; row++) {
    const frameRow = row * spreadHeight + padTop;
    if (frameRow >= frameHeight) return;
    const to = frame + <usize>(frameRow * frameWidth + padLeft) * pixel;
    const source = from + <usize>(row * width) * pixel;
    if (spreadWidth === 1) {
      memory.copy(to, source, <usize>min(width, frameWidth - padLeft) * pixel);
      continue;
    }
    for (let column = 0; column < width && column * spreadWidth + padLeft < frameWidth; column++)
      memory.copy(to + <usize>(column * spreadWidth) * pixel, source + <usize>column * pixel, pixel);
  }
}

function fourPatches(
  p0: usize,
  p1: usize,
  p2: usize,
  p3: usize,
  framePitch: usize,
  kernelHeight: i32,
  depth: i32,
  panel: usize,
  out: usize,
  filters: i32,
  count: i32,
  lanes: i32,
): void {
  const zero = f32x4.splat(0);
  let a0 = zero;
  let b0 = zero;
  let a1 = zero;
  let b1 = zero;
  let a2 = zero;
  let b2 = zero;
  let a3 = zero;
  let b3 = zero;
  let w = panel;
  const bytes = (<usize>depth) << 2;
  for (let ky = 0; ky < kernelHeight; ky++) {
    for (let d: usize = 0; d < bytes; d += 4, w += 32) {
      const a = v128.load(w);
      const b = v128.load(w, 16);
      const x0 = v128.load32_splat(p0 + d);
      a0 = multiplyAdd(a, x0, a0);
      b0 = multiplyAdd(b, x0, b0);
      const x1 = v128.load32_splat(p1 + d);
      a1 = multiplyAdd(a, x1, a1);
      b1 = multiplyAdd(b, x1, b1);
      const x2 = v128.load32_splat(p2 + d);
      a2 = multiplyAdd(a, x2, a2);
      b2 = multiplyAdd(b, x2, b2);
      const x3 = v128.load32_splat(p3 + d);
      a3 = multiplyAdd(a, x3, a3);
      b3 = multiplyAdd(b, x3, b3);
    }
    p0 += framePitch;
    p1 += framePitch;
    p2 += framePitch;
    p3 += framePitch;
  }
  const pitch = (<usize>filters) << 2;
  storePatch(out, a0, b0, lanes);
  if (count > 1) storePatch(out + pitch, a1, b1, lanes);
  if (count > 2) storePatch(out + 2 * pitch, a2, b2, lanes);
  if (count > 3) storePatch(out + 3 * pitch, a3, b3, lanes);
}

function storePatch(to: usize, a: v128, b: v128, lanes: i32): void {
  storeLanes(to, a, min(lanes, 4));
  if (lanes > 4) storeLanes(to + 16, b, lanes - 4);
}
