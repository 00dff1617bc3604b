import { multiplyAdd } from './vector';

/**
 * dL/dw of a convolution: w[ky, kx, c, f] gets Σ x[patch pixel (ky, kx), c]·dy[patch, f]. Each image is copied into a
 * zero-padded frame, in which the kernel·channels values under a row of the window lie side by side; they are taken
 * four at a time against eight filters, so that the sums of all patches of an image stay in registers.
 * @param x [images, height, width, channels]
 * @param dy [images, outHeight, outWidth, filters]
 * @param frame ((outHeight − 1)·strideHeight + kernelHeight)·((outWidth − 1)·strideWidth + kernelWidth)·channels + 4
 *   floats
 * @param sums kernelHeight · (kernelWidth·channels up to a multiple of 4) · (filters up to a multiple of 8) floats
 * @param out [kernelHeight, kernelWidth, channels, filters]
 */
export function filterGradient(
  images: i32,
  height: i32,
  width: i32,
  channels: i32,
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
  dy: usize,
  frame: usize,
  sums: usize,
  out: usize,
): void {
  const frameHeight = (outHeight - 1) * strideHeight + kernelHeight;
  const frameWidth = (outWidth - 1) * strideWidth + kernelWidth;
  const depth = kernelWidth * channels;
  const sumDepth = (depth + 3) & ~3;
  const sumWidth = (filters + 7) & ~7;
  memory.fill(frame, 0, (<usize>(frameHeight * frameWidth * channels + 4)) << 2);
  memory.fill(sums, 0, (<usize>(kernelHeight * sumDepth * sumWidth)) << 2);

  const rows = min(height, frameHeight - padTop);
  const columns = min(width, frameWidth - padLeft);
  const framePitch = (<usize>(frameWidth * channels)) << 2;
  for (let image = 0; image < images; image++) {
    for (let row = 0; row < rows; row++) {
      memory.copy(
        frame + <usize>(row + padTop) * framePitch + ((<usize>(padLeft * channels)) << 2),
        x + ((<usize>((image * height + row) * width * channels)) << 2),
        (<usize>(columns * channels)) << 2,
      );
    }
    const upstream = dy + ((<usize>(image * outHeight * outWidth * filters)) << 2);
    for (let ky = 0; ky < kernelHeight; ky++) {
      for (let d = 0; d < depth; d += 4) {
        for (let f = 0; f < filters; f += 8) {
          accumulate(
            frame + <usize>ky * framePitch + ((<usize>d) << 2),
            <usize>strideHeight * framePitch,
            (<usize>(strideWidth * channels)) << 2,
            upstream + ((<usize>f) << 2),
            (<usize>filters) << 2,
            outHeight,
            outWidth,
            sums + ((<usize>((ky * sumDepth + d) * sumWidth + f)) << 2),
            (<usize>sumWidth) << 2,
          );
        }
      }
    }
  }

  for (let ky = 0; ky < kernelHeight; ky++) {
    for (let d = 0; d < depth; d++) {
      memory.copy(
        out + ((<usize>((ky * depth + d) * filters)) << 2),
        sums + ((<usize>((ky * sumDepth + d) * sumWidth)) << 2),
        (<usize>filters) << 2,
      );
    }
  }
}

/** Four values of the frame against eight filters, over all patches of an image. */
function accumulate(
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
