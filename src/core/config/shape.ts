/** [height, width, channels] of one image or feature map. */
export type ImageShape = readonly [height: number, width: number, channels: number];
/** An image's shape, or [features] after flattening. */
export type Shape = ImageShape | readonly [features: number];
