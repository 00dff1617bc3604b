import type { Normalization } from '../../core/config/normalizationSchema.js';
import { normalise } from '../data/images.js';

/** How pixel values become the network's input, one value for each channel. */
export interface PixelScale {
  /** The input of a pixel of 0, and of 255, as float32. */
  readonly lowest: readonly number[];
  readonly highest: readonly number[];
  /** What one pixel value is in the input. */
  readonly unit: readonly number[];
}

/** The scale of images as `imageTensor` gives them. */
export function pixelScale(normalization: Normalization): PixelScale {
  const { mean, scale } = normalization;
  const each = (pixel: number): number[] =>
    mean.map((_, channel) => Math.fround(normalise(pixel, normalization, channel)));
  return { lowest: each(0), highest: each(255), unit: scale.map((value) => 1 / value) };
}
