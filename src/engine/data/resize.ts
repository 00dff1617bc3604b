/** An image of bytes [H, W, C], row-major. */
export interface Pixels {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly values: Uint8Array;
}

/**
 * Bring an image to a size: cut in the middle to the size's proportions, then each axis by itself, by area where it
 * shrinks and linearly where it grows.
 */
export function resize(image: Pixels, [height, width]: readonly [height: number, width: number]): Pixels {
  if (image.height === height && image.width === width) return image;
  const scale = Math.min(image.height / height, image.width / width);
  const rows = axisWeights(image.height, height * scale, height);
  const columns = axisWeights(image.width, width * scale, width);
  const { channels } = image;
  // First the rows that are needed, squeezed sideways; then those into the rows of the result.
  const narrow = new Float32Array(image.height * width * channels);
  for (let y = rows[0]!.from; y < rows.at(-1)!.from + rows.at(-1)!.weights.length; y++)
    for (let x = 0; x < width; x++) {
      const { from, weights } = columns[x]!;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let i = 0; i < weights.length; i++)
          sum += weights[i]! * image.values[(y * image.width + from + i) * channels + c]!;
        narrow[(y * width + x) * channels + c] = sum;
      }
    }
  const values = new Uint8Array(height * width * channels);
  const stride = width * channels;
  for (let y = 0; y < height; y++) {
    const { from, weights } = rows[y]!;
    for (let at = 0; at < stride; at++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i]! * narrow[(from + i) * stride + at]!;
      values[y * stride + at] = Math.round(sum);
    }
  }
  return { height, width, channels, values };
}

interface Weights {
  readonly from: number;
  readonly weights: readonly number[];
}

/** Of which places of an axis each place of the result is made; `used` of its `length` are, in the middle. */
function axisWeights(length: number, used: number, places: number): readonly Weights[] {
  const start = (length - used) / 2;
  const step = used / places;
  return Array.from({ length: places }, (_, i) => {
    if (step >= 1) {
      const [low, high] = [start + i * step, Math.min(length, start + (i + 1) * step)];
      const from = Math.min(length - 1, Math.floor(low + 1e-9));
      const to = Math.max(from + 1, Math.ceil(high - 1e-9));
      const weights = Array.from(
        { length: to - from },
        (_, j) => Math.min(high, from + j + 1) - Math.max(low, from + j),
      );
      const sum = weights.reduce((a, b) => a + b, 0);
      return { from, weights: weights.map((weight) => weight / sum) };
    }
    const centre = Math.max(0, Math.min(length - 1, start + (i + 0.5) * step - 0.5));
    const from = Math.min(Math.floor(centre), Math.max(0, length - 2));
    const share = centre - from;
    return share === 0 ? { from, weights: [1] } : { from, weights: [1 - share, share] };
  });
}
