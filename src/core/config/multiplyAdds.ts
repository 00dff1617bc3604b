import type { Network } from './network.js';

/** Multiply-adds of one image's way through the layers with filters, zero padding counted, biases not. */
export function multiplyAdds({ inputShape, layers }: Network): number {
  let sum = 0;
  let before: readonly number[] = inputShape;
  for (const layer of layers) {
    const { outputShape } = layer;
    const outputs = outputShape.reduce((x, y) => x * y, 1);
    const channels = before.at(-1) ?? 1;
    if (layer.type === 'conv') sum += outputs * layer.kernel ** 2 * channels;
    if (layer.type === 'dense') sum += outputs * channels;
    before = outputShape;
  }
  return sum;
}
