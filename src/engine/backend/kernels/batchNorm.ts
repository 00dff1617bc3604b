import { affine, lanesAt, multiplyAdd, storeLanes } from './vector';

// All of these walk [rows, channels], four channels at a time over a block of rows, so that sums stay in registers;
// a block's sums are added to the totals at its end, which keeps float32 sums of many rows accurate.
const block = 128;

/**
 * Mean and variance (of the population) of each channel, in two passes.
 * @param mean, variance [channels], filled up to a multiple of 4
 */
export function channelMoments(rows: i32, channels: i32, x: usize, mean: usize, variance: usize): void {
  const pitch = (<usize>channels) << 2;
  const perRow = f32x4.splat(<f32>1 / <f32>rows);
  clear(mean, channels);
  clear(variance, channels);
  for (let start = 0; start < rows; start += block) {
    const end = min(start + block, rows);
    for (let c = 0; c < channels; c += 4) {
      const column = (<usize>c) << 2;
      let sum = f32x4.splat(0);
      let at = x + <usize>start * pitch + column;
      for (let row = start; row < end; row++, at += pitch) sum = f32x4.add(sum, v128.load(at));
      v128.store(mean + column, f32x4.add(v128.load(mean + column), sum));
    }
  }
  for (let c = 0; c < channels; c += 4) {
    const to = mean + ((<usize>c) << 2);
    v128.store(to, f32x4.mul(v128.load(to), perRow));
  }
  for (let start = 0; start < rows; start += block) {
    const end = min(start + block, rows);
    for (let c = 0; c < channels; c += 4) {
      const column = (<usize>c) << 2;
      const centre = v128.load(mean + column);
      let sum = f32x4.splat(0);
      let at = x + <usize>start * pitch + column;
      for (let row = start; row < end; row++, at += pitch) {
        const deviation = f32x4.sub(v128.load(at), centre);
        sum = multiplyAdd(deviation, deviation, sum);
      }
      v128.store(variance + column, f32x4.add(v128.load(variance + column), sum));
    }
  }
  for (let c = 0; c < channels; c += 4) {
    const to = variance + ((<usize>c) << 2);
    v128.store(to, f32x4.mul(v128.load(to), perRow));
  }
}

/** out = x·slope + shift, cut at 0 if `relu`. `slope`, `shift` [channels], readable to a multiple of 4. */
export function channelAffine(
  rows: i32,
  channels: i32,
  x: usize,
  slope: usize,
  shift: usize,
  relu: bool,
  out: usize,
): void {
  const pitch = (<usize>channels) << 2;
  const floor = f32x4.splat(relu ? 0 : -Infinity);
  for (let row = 0; row < rows; row++) {
    const from = x + <usize>row * pitch;
    const to = out + <usize>row * pitch;
    for (let c = 0; c < channels; c += 4) {
      const column = (<usize>c) << 2;
      const value = affine(v128.load(from + column), v128.load(slope + column), v128.load(shift + column));
      storeLanes(to + column, f32x4.pmax(value, floor), lanesAt(c, channels));
    }
  }
}

/**
 * dβ = Σ dy and dγ = Σ dy·(x − mean)/σ of each channel, dy taken as 0 where `relu` cut the output y.
 * @param byBeta, byGamma [channels], filled up to a multiple of 4
 */
export function normalizationSums(
  rows: i32,
  channels: i32,
  x: usize,
  y: usize,
  dy: usize,
  relu: bool,
  mean: usize,
  inverse: usize,
  byBeta: usize,
  byGamma: usize,
): void {
  const pitch = (<usize>channels) << 2;
  const zero = f32x4.splat(0);
  clear(byBeta, channels);
  clear(byGamma, channels);
  for (let start = 0; start < rows; start += block) {
    const end = min(start + block, rows);
    for (let c = 0; c < channels; c += 4) {
      const column = (<usize>c) << 2;
      const centre = v128.load(mean + column);
      let shift = zero;
      let scale = zero;
      let at = <usize>start * pitch + column;
      for (let row = start; row < end; row++, at += pitch) {
        let upstream = v128.load(dy + at);
        if (relu) upstream = v128.and(upstream, f32x4.gt(v128.load(y + at), zero));
        shift = f32x4.add(shift, upstream);
        scale = multiplyAdd(upstream, f32x4.sub(v128.load(x + at), centre), scale);
      }
      v128.store(byBeta + column, f32x4.add(v128.load(byBeta + column), shift));
      v128.store(byGamma + column, f32x4.add(v128.load(byGamma + column), scale));
    }
  }
  for (let c = 0; c < channels; c += 4) {
    const column = (<usize>c) << 2;
    v128.store(byGamma + column, f32x4.mul(v128.load(byGamma + column), v128.load(inverse + column)));
  }
}

/** dx = slope·(dy − meanDy − (x − mean)·tilt), dy taken as 0 where `relu` cut y; parameters [channels] as above. */
export function normalizationGradient(
  rows: i32,
  channels: i32,
  x: usize,
  y: usize,
  dy: usize,
  relu: bool,
  mean: usize,
  slope: usize,
  meanDy: usize,
  tilt: usize,
  dx: usize,
): void {
  const pitch = (<usize>channels) << 2;
  const zero = f32x4.splat(0);
  for (let row = 0; row < rows; row++) {
    const at = <usize>row * pitch;
    for (let c = 0; c < channels; c += 4) {
      const column = (<usize>c) << 2;
      let upstream = v128.load(dy + at + column);
      if (relu) upstream = v128.and(upstream, f32x4.gt(v128.load(y + at + column), zero));
      const deviation = f32x4.sub(v128.load(x + at + column), v128.load(mean + column));
      const centred = f32x4.sub(
        f32x4.sub(upstream, v128.load(meanDy + column)),
        f32x4.mul(deviation, v128.load(tilt + column)),
      );
      storeLanes(dx + at + column, f32x4.mul(centred, v128.load(slope + column)), lanesAt(c, channels));
    }
  }
}

function clear(to: usize, channels: i32): void {
  memory.fill(to, 0, (<usize>((channels + 3) & ~3)) << 2);
}
