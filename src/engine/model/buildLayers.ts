import { initializers, layers as stock } from '@tensorflow/tfjs-layers';
import type { NetworkLayer } from '../../core/config/network.js';
import { DebiasedBatchNormalization } from '../layers/batchNormalization.js';
import { DecoupledConv2D } from '../layers/decoupledConv2dLayer.js';

type StockLayer = InstanceType<typeof stock.Layer>;

/** The tf.layers that make up one layer of a network. */
export interface LayerParts {
  /** The operator itself: its output is what inspection calls raw. */
  readonly operator: StockLayer;
  /** Batch normalisation (with its ReLU) or an activation. */
  readonly after: StockLayer | undefined;
}

export interface BuildOptions {
  readonly seed: number;
  readonly averageDecay: number;
}

/** The tf.layers of one network layer; unbuilt. `first` names the input's shape. */
export function buildLayer(layer: NetworkLayer, first: boolean, options: BuildOptions): LayerParts {
  const shared = {
    name: layer.name,
    ...(first ? { batchInputShape: [null, ...layer.inputShape] } : {}),
  };
  const seed = seedOf(options.seed, layer.name);
  switch (layer.type) {
    case 'conv': {
      const { filters, kernel, stride, padding, operator } = layer;
      const shape = { filters, kernelSize: kernel, strides: stride, padding };
      if (operator !== undefined) {
        const args = { ...shared, ...shape, operator, averageDecay: options.averageDecay, seed };
        return { operator: new DecoupledConv2D(args), after: after(layer, options) };
      }
      const inputs = kernel * kernel * (layer.inputShape.at(-1) ?? 1);
      const plain = stock.conv2d({
        ...shared,
        ...shape,
        useBias: false,
        kernelInitializer: heNormal(inputs, seed),
      });
      return { operator: plain, after: after(layer, options) };
    }
    case 'max-pool':
    case 'average-pool': {
      const args = { ...shared, poolSize: layer.size, strides: layer.stride, padding: layer.padding };
      const pool = layer.type === 'max-pool' ? stock.maxPooling2d(args) : stock.averagePooling2d(args);
      return { operator: pool, after: undefined };
    }
    case 'global-average-pool':
      return { operator: stock.globalAveragePooling2d(shared), after: undefined };
    case 'flatten':
      return { operator: stock.flatten(shared), after: undefined };
    case 'dense': {
      const dense = stock.dense({
        ...shared,
        units: layer.units,
        useBias: false,
        kernelInitializer: heNormal(layer.inputShape.at(-1) ?? 1, seed),
      });
      return { operator: dense, after: after(layer, options) };
    }
  }
}

function after(
  layer: NetworkLayer & { readonly batchNorm: boolean; readonly activation: 'relu' | 'none' },
  { averageDecay }: BuildOptions,
): StockLayer | undefined {
  const { activation } = layer;
  if (layer.batchNorm)
    return new DebiasedBatchNormalization({ name: `${layer.name}_batch_norm`, activation, averageDecay });
  return activation === 'relu' ? stock.reLU({ name: `${layer.name}_relu` }) : undefined;
}

/** He's normal initialisation, standard deviation √(2 / inputs of a filter). */
function heNormal(inputs: number, seed: number) {
  return initializers.randomNormal({ mean: 0, stddev: Math.sqrt(2 / inputs), seed });
}

/** A seed of its own for each layer, so that weights depend on the run's seed and the layer's name alone (FNV-1a). */
function seedOf(seed: number, name: string): number {
  let hash = 0x811c9dc5;
  for (const character of `${seed}/${name}`) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  // tfjs takes 0 for no seed.
  return (hash >>> 1) + 1;
}
