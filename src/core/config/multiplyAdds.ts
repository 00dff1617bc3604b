import type { Network, NetworkLayer } from './network.js';

/** Multiply-adds of one image's way through a layer's filters, zero padding counted; 0 where there are none. */
export function layerMultiplyAdds(layer: NetworkLayer): number {
  const outputs = (layer.outputShape as readonly number[]).reduce((x, y) => x * y, 1);
  switch (layer.type) {
    case 'conv':
      return outputs * layer.kernel ** 2 * layer.inputShape.at(-1)!;
    case 'dense':
      return outputs * layer.inputShape.at(-1)!;
    case 'add':
      return layer.projection === undefined ? 0 : outputs * layer.fromShape.at(-1)!;
    case 'max-pool':
    case 'average-pool':
    case 'global-average-pool':
    case 'flatten':
      return 0;
  }
}

/** Multiply-adds of one image's way through the network. */
export function multiplyAdds({ layers }: Network): number {
  return layers.reduce((sum, layer) => sum + layerMultiplyAdds(layer), 0);
}
