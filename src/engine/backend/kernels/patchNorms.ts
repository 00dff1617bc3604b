import { laneMask, lanesAt, multiplyAdd, storeLanes, sumLanes } from './vector';

/** Σ x² over channels of `pixels` pixels. */
function channelSquares(pixels: i32, channels: i32, x: usize, out: usize): void {
  if (channels === 1) {
    for (let pixel = 0; pixel < pixels; pixel += 4) {
      const at = (<usize>pixel) << 2;
      const value = v128.load(x + at);
      storeLanes(out + at, f32x4.mul(value, value), lanesAt(pixel, pixels));
    }
    return;
  }
  const whole = channels & ~3;
  const rest = laneMask(channels - whole);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const from = x + ((<usize>pixel * <usize>channels) << 2);
    let sum = f32x4.splat(0);
    let c = 0;
    for (; c < whole; c += 4) {
      const value = v128.load(from + ((<usize>c) << 2));
      sum = f32x4.add(sum, f32x4.mul(value, value));
    }
    if (c < channels) {
      const value = v128.and(v128.load(from + ((<usize>c) << 2)), rest);
      sum = f32x4.add(sum, f32x4.mul(value, value));
    }
    f32.store(out + ((<usize>pixel) << 2), sumLanes(sum));
  }
}

/**
 * √(Σ x² + ε) of every patch: squares summed over channels, then over the rows of the window, then along the row.
 * @param x [images, height, width, channels]
 * @param scratch height·width + width + 2·kernel + 8 floats
 * @param out [images, outHeight, outWidth]
 */
export function patchNorms(
  images: i32,
  height: i32,
  width: i32,
  channels: i32,
  kernel: i32,
  stride: i32,
  padTop: i32,
  padLeft: i32,
  outHeight: i32,
  outWidth: i32,
  epsilon: f32,
  x: usize,
  scratch: usize,
  out: usize,
): void {
  const squares = scratch;
  const columns = scratch + ((<usize>(height * width)) << 2);
  const inside = columns + ((<usize>padLeft) << 2);
  memory.fill(columns, 0, (<usize>(width + 2 * kernel + 8)) << 2);
  for (let image = 0; image < images; image++) {
    channelSquares(
      height * width,
      channels,
      x + ((<usize>image * <usize>(height * width * channels)) << 2),
      squares,
    );
    for (let y = 0; y < outHeight; y++) {
      const first = max(y * stride - padTop, 0);
      const last = min(y * stride - padTop + kernel, height);
      for (let c = 0; c < width; c += 4) {
        let sum = f32x4.splat(0);
        for (let row = first; row < last; row++)
          sum = f32x4.add(sum, v128.load(squares + ((<usize>(row * width + c)) << 2)));
        storeLanes(inside + ((<usize>c) << 2), sum, lanesAt(c, width));
      }
      const to = out + ((<usize>((image * outHeight + y) * outWidth)) << 2);
      for (let position = 0; position < outWidth; position++) {
        const from = columns + ((<usize>(position * stride)) << 2);
        let sum: f32 = 0;
        for (let k = 0; k < kernel; k++) sum += f32.load(from + ((<usize>k) << 2));
        f32.store(to + ((<usize>position) << 2), sqrt<f32>(sum + epsilon));
      }
    }
  }
}

/**
 * dx = x·boxᵀ(dn/n), in place of what is there or added to it.
 * @param scratch as for {@link patchNorms}
 * @param added whether `dx` holds a gradient that this one is added to
 * @param dx [images, height, width, channels]
 */
export function patchNormsGradient(
  images: i32,
  height: i32,
  width: i32,
  channels: i32,
  kernel: i32,
  stride: i32,
  padTop: i32,
  padLeft: i32,
  outHeight: i32,
  outWidth: i32,
  x: usize,
  norms: usize,
  dn: usize,
  scratch: usize,
  added: bool,
  dx: usize,
): void {
  const spread = scratch;
  const columns = scratch + ((<usize>(height * width)) << 2);
  const inside = columns + ((<usize>padLeft) << 2);
  for (let image = 0; image < images; image++) {
    memory.fill(spread, 0, (<usize>(height * width)) << 2);
    for (let y = 0; y < outHeight; y++) {
      const from = (<usize>((image * outHeight + y) * outWidth)) << 2;
      memory.fill(columns, 0, (<usize>(width + 2 * kernel + 8)) << 2);
      for (let position = 0; position < outWidth; position++) {
        const at = from + ((<usize>position) << 2);
        const share = f32.load(dn + at) / max<f32>(f32.load(norms + at), 1e-30);
        const to = columns + ((<usize>(position * stride)) << 2);
        for (let k = 0; k < kernel; k++) {
          const cell = to + ((<usize>k) << 2);
          f32.store(cell, f32.load(cell) + share);
        }
      }
      const first = max(y * stride - padTop, 0);
      const last = min(y * stride - padTop + kernel, height);
      for (let row = first; row < last; row++) {
        for (let c = 0; c < width; c += 4) {
          const cell = spread + ((<usize>(row * width + c)) << 2);
          const sum = f32x4.add(v128.load(cell), v128.load(inside + ((<usize>c) << 2)));
          storeLanes(cell, sum, lanesAt(c, width));
        }
      }
    }
    const start = <usize>image * <usize>(height * width * channels);
    scalePixels(height * width, channels, x + (start << 2), spread, added, dx + (start << 2));
  }
}

/** x·factor, one factor a pixel, in `out` or, if `added`, added to what is there. */
function scalePixels(pixels: i32, channels: i32, x: usize, factors: usize, added: bool, out: usize): void {
  const kept = added ? i32x4.splat(-1) : i32x4.splat(0);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const factor = f32x4.splat(f32.load(factors + ((<usize>pixel) << 2)));
    const at = (<usize>pixel * <usize>channels) << 2;
    for (let c = 0; c < channels; c += 4) {
      const to = out + at + ((<usize>c) << 2);
      const before = v128.and(v128.load(to), kept);
      storeLanes(
        to,
        multiplyAdd(v128.load(x + at + ((<usize>c) << 2)), factor, before),
        lanesAt(c, channels),
      );
    }
  }
}
