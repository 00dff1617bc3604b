import { fillFrame, fourPatches, panelWidth } from './panels';

/**
 * Filters in panels of eight, each [kernelHeight, kernelWidth, channels, 8], so that the convolution reads them in order;
 * the last panel is filled up with zeros.
 * @param start, end filters to pack, the first a multiple of 8
 * @param w [kernelHeight, kernelWidth, channels, filters]
 * @param panels of all filters
 */
export function packFilters(
  kernelHeight: i32,
  kernelWidth: i32,
  channels: i32,
  filters: i32,
  start: i32,
  end: i32,
  w: usize,
  panels: usize,
): void {
  const depth = kernelHeight * kernelWidth * channels;
  let to = panels + ((<usize>(start * depth)) << 2);
  for (let first = start; first < end; first += panelWidth) {
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
 * swapped. The panels are of `channels`, and so are `start` and `end`.
 */
export function packFlippedFilters(
  kernelHeight: i32,
  kernelWidth: i32,
  channels: i32,
  filters: i32,
  start: i32,
  end: i32,
  w: usize,
  panels: usize,
): void {
  let to = panels + ((<usize>(start * kernelHeight * kernelWidth * filters)) << 2);
  for (let first = start; first < end; first += panelWidth) {
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
