import { accumulate } from './panels';

/**
 * dL/dw of a convolution: w[ky, kx, c, f] gets Σ x[patch pixel (ky, kx), c]·dy[patch, f]. Each image is copied into a
 * zero-padded frame, in which the kernel·channels values under a row of the window lie side by side; they are taken
 * four at a time against eight filters, so that the sums of all patches of an image stay in registers.
 * @param start, end values under a row of the window to compute, of kernelWidth·channels; the first a multiple of 4
 * @param x [images, height, width, channels]
 * @param dy [images, outHeight, outWidth, filters]
 * @param frame ((outHeight − 1)·strideHeight + kernelHeight)·((outWidth − 1)·strideWidth + kernelWidth)·channels + 4
 *   floats
 * @param sums kernelHeight · (end − start up to a multiple of 4) · (filters up to a multiple of 8) floats
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
  start: i32,
  end: i32,
  x: usize,
  dy: usize,
  frame: usize,
  sums: usize,
  out: usize,
): void {
  const frameHeight = (outHeight - 1) * strideHeight + kernelHeight;
  const frameWidth = (outWidth - 1) * strideWidth + kernelWidth;
  const depth = kernelWidth * channels;
  const sumDepth = (end - start + 3) & ~3;
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
      for (let d = start; d < end; d += 4) {
        for (let f = 0; f < filters; f += 8) {
          accumulate(
            frame + <usize>ky * framePitch + ((<usize>d) << 2),
            <usize>strideHeight * framePitch,
            (<usize>(strideWidth * channels)) << 2,
            upstream + ((<usize>f) << 2),
            (<usize>filters) << 2,
            outHeight,
            outWidth,
            sums + ((<usize>((ky * sumDepth + d - start) * sumWidth + f)) << 2),
            (<usize>sumWidth) << 2,
          );
        }
      }
    }
  }

  for (let ky = 0; ky < kernelHeight; ky++) {
    for (let d = start; d < end; d++) {
      memory.copy(
        out + ((<usize>((ky * depth + d) * filters)) << 2),
        sums + ((<usize>((ky * sumDepth + d - start) * sumWidth)) << 2),
        (<usize>filters) << 2,
      );
    }
  }
}
