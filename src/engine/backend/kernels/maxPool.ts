import { lanesAt, storeLanes } from './vector';

/**
 * Gradient of max pooling: dy goes to the first of the window's largest values, in reading order.
 * @param x [images, height, width, channels]
 * @param y, dy [images, outHeight, outWidth, channels]
 * @param dx as x, all 0 at the start
 */
export function maxPoolGradient(
  images: i32,
  height: i32,
  width: i32,
  channels: i32,
  windowHeight: i32,
  windowWidth: i32,
  strideHeight: i32,
  strideWidth: i32,
  padTop: i32,
  padLeft: i32,
  outHeight: i32,
  outWidth: i32,
  x: usize,
  y: usize,
  dy: usize,
  dx: usize,
): void {
  for (let image = 0; image < images; image++) {
    for (let row = 0; row < outHeight; row++) {
      const top = max(row * strideHeight - padTop, 0);
      const bottom = min(row * strideHeight - padTop + windowHeight, height);
      for (let position = 0; position < outWidth; position++) {
        const left = max(position * strideWidth - padLeft, 0);
        const right = min(position * strideWidth - padLeft + windowWidth, width);
        const from = <usize>((image * outHeight + row) * outWidth + position) * <usize>channels;
        for (let c = 0; c < channels; c += 4) {
          const lanes = lanesAt(c, channels);
          const largest = v128.load(y + ((from + <usize>c) << 2));
          const upstream = v128.load(dy + ((from + <usize>c) << 2));
          let open = i32x4.splat(-1);
          for (let inRow = top; inRow < bottom; inRow++) {
            for (let inColumn = left; inColumn < right; inColumn++) {
              const pixel = <usize>((image * height + inRow) * width + inColumn) * <usize>channels;
              const at = (pixel + <usize>c) << 2;
              const taken = v128.and(f32x4.eq(v128.load(x + at), largest), open);
              open = v128.andnot(open, taken);
              const sum = f32x4.add(v128.load(dx + at), v128.and(upstream, taken));
              storeLanes(dx + at, sum, lanes);
            }
          }
        }
      }
    }
  }
}
