import type * as tf from '@tensorflow/tfjs-core';

/** WGSL that declares a convolution's sizes, which {@link windowConstants} gives. */
export const windowCode = `
override height: u32;
override width: u32;
override channels: u32;
override kernelWidth: u32;
override strideHeight: u32;
override strideWidth: u32;
override top: u32;
override left: u32;
override outHeight: u32;
override outWidth: u32;
`;

export function windowConstants(window: tf.backend_util.Conv2DInfo): Readonly<Record<string, number>> {
  return {
    height: window.inHeight,
    width: window.inWidth,
    channels: window.inChannels,
    kernelWidth: window.filterWidth,
    strideHeight: window.strideHeight,
    strideWidth: window.strideWidth,
    top: window.padInfo.top,
    left: window.padInfo.left,
    outHeight: window.outHeight,
    outWidth: window.outWidth,
  };
}

/** A convolution without its batch, in words. */
export function shapeOf(window: tf.backend_util.Conv2DInfo): string {
  const { inHeight, inWidth, inChannels, filterHeight, filterWidth, strideHeight, padInfo, outChannels } =
    window;
  return `${inHeight}×${inWidth}×${inChannels} by ${filterHeight}×${filterWidth}×${outChannels} stride ${strideHeight} ${padInfo.type.toLowerCase()}`;
}

/** How much there is to share out between workgroups. */
export function patchesOf({ batchSize, outHeight, outWidth }: tf.backend_util.Conv2DInfo): number {
  return batchSize * outHeight * outWidth;
}

/** WGSL that reads a value of a patch of `x`, 0 where the patch is padded; weight = (i·K + j)·Cin + c. */
export const patchValueCode = `
fn patchValue(position: u32, weight: u32) -> f32 {
  let tap = weight / channels;
  let inImage = position % (outHeight * outWidth);
  let row = i32(inImage / outWidth * strideHeight + tap / kernelWidth) - i32(top);
  let column = i32(inImage % outWidth * strideWidth + tap % kernelWidth) - i32(left);
  if (row < 0 || row >= i32(height) || column < 0 || column >= i32(width)) {
    return 0.0;
  }
  let image = position / (outHeight * outWidth);
  return x[((image * height + u32(row)) * width + u32(column)) * channels + weight % channels];
}
`;
