// What convolutions and their gradients are made of: frames of zero-padded images, and sums that stay in registers.
import { multiplyAdd, storeLanes } from './vector';

/** Filters computed together: two vectors. */
export const panelWidth = 8;

/** Copy an image into the frame; what lies around and between its pixels there stays zero. */
export function fillFrame(
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

/**
 * Four patches against a panel of eight filters.
 * @param p0, p1, p2, p3 where the patches begin; a patch is `kernelHeight` rows of `depth` values, `framePitch` bytes apart
 * @param panel [kernelHeight, depth, 8]
 * @param out of the first patch; the next are `filters` values further each
 * @param count patches that are written
 * @param lanes filters that are written
 */
export function fourPatches(
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
  if (count > 3 && lanes >= panelWidth) {
    v128.store(out, a0);
    v128.store(out, b0, 16);
    v128.store(out + pitch, a1);
    v128.store(out + pitch, b1, 16);
    v128.store(out + 2 * pitch, a2);
    v128.store(out + 2 * pitch, b2, 16);
    v128.store(out + 3 * pitch, a3);
    v128.store(out + 3 * pitch, b3, 16);
    return;
  }
  storePatch(out, a0, b0, lanes);
  if (count > 1) storePatch(out + pitch, a1, b1, lanes);
  if (count > 2) storePatch(out + 2 * pitch, a2, b2, lanes);
  if (count > 3) storePatch(out + 3 * pitch, a3, b3, lanes);
}

function storePatch(to: usize, a: v128, b: v128, lanes: i32): void {
  storeLanes(to, a, min(lanes, 4));
  if (lanes > 4) storeLanes(to + 16, b, lanes - 4);
}

/** Four values of the frame against eight filters, over all patches of an image, added to `sums`. */
export function accumulate(
  from: usize,
  rowStep: usize,
  patchStep: usize,
  upstream: usize,
  upstreamStep: usize,
  outHeight: i32,
  outWidth: i32,
  sums: usize,
  sumPitch: usize,
): void {
  let a0 = v128.load(sums);
  let b0 = v128.load(sums, 16);
  let a1 = v128.load(sums + sumPitch);
  let b1 = v128.load(sums + sumPitch, 16);
  let a2 = v128.load(sums + 2 * sumPitch);
  let b2 = v128.load(sums + 2 * sumPitch, 16);
  let a3 = v128.load(sums + 3 * sumPitch);
  let b3 = v128.load(sums + 3 * sumPitch, 16);
  let dy = upstream;
  for (let row = 0; row < outHeight; row++) {
    let at = from + <usize>row * rowStep;
    for (let patch = 0; patch < outWidth; patch++) {
      const a = v128.load(dy);
      const b = v128.load(dy, 16);
      const x0 = v128.load32_splat(at);
      a0 = multiplyAdd(a, x0, a0);
      b0 = multiplyAdd(b, x0, b0);
      const x1 = v128.load32_splat(at, 4);
      a1 = multiplyAdd(a, x1, a1);
      b1 = multiplyAdd(b, x1, b1);
      const x2 = v128.load32_splat(at, 8);
      a2 = multiplyAdd(a, x2, a2);
      b2 = multiplyAdd(b, x2, b2);
      const x3 = v128.load32_splat(at, 12);
      a3 = multiplyAdd(a, x3, a3);
      b3 = multiplyAdd(b, x3, b3);
      at += patchStep;
      dy += upstreamStep;
    }
  }
  v128.store(sums, a0);
  v128.store(sums, b0, 16);
  v128.store(sums + sumPitch, a1);
  v128.store(sums + sumPitch, b1, 16);
  v128.store(sums + 2 * sumPitch, a2);
  v128.store(sums + 2 * sumPitch, b2, 16);
  v128.store(sums + 3 * sumPitch, a3);
  v128.store(sums + 3 * sumPitch, b3, 16);
}
