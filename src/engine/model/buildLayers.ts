import { initializers, layers as stock } from '@tensorflow/tfjs-layers';
import type { NetworkLayer, Shape } from '../../core/config/network.js';
import { DebiasedBatchNormalization } from '../layers/batchNormalization.js';
import { DecoupledConv2D } from '../layers/decoupledConv2dLayer.js';
import { DecoupledDense } from '../layers/decoupledDenseLayer.js';
import { heNormal } from '../layers/layerWeights.js';
import { PlainConv2D } from '../layers/plainConv2dLayer.js';

type StockLayer = InstanceType<typeof stock.Layer>;

/** One tf.layer of a network's layer. */
export interface LayerPart {
  /** What its tensors are called in a checkpoint, before the last slash: `conv1`, `conv1/batch_norm`. */
  readonly name: string;
  readonly layer: StockLayer;
  /** Of one image's input. */
  readonly inputShape: Shape;
  /** Whether weight decay applies to its weights. */
  readonly decay: boolean;
}

/** The tf.layers that make up one layer of a network, in the order of their tensors in a checkpoint. */
export interface LayerParts {
  /** The operator itself: its output is what inspection calls raw. An addition has none. */
  readonly operator: LayerPart | undefined;
  /** What an addition does to the earlier layer's response: the projection and its batch normalisation. */
  readonly shortcut: readonly LayerPart[];
  /** Batch normalisation (with its ReLU) and the activation. */
  readonly after: readonly LayerPart[];
}

export interface BuildOptions {
  readonly seed: number;
  readonly averageDecay: number;
}

/** PReLU's slope at the start where a layer does not say (He et al. 2015, section 2.1). */
const defaultSlope = 0.25;

/** The tf.layers of one network layer; unbuilt. */
export function buildLayer(layer: NetworkLayer, options: BuildOptions): LayerParts {
  const operator = buildOperator(layer, options);
  const { name, inputShape } = layer;
  const decay = !(operator instanceof DecoupledConv2D);
  return {
    operator: operator && { name, layer: operator, inputShape, decay },
    shortcut: layer.type === 'add' ? buildShortcut(layer, options) : [],
    after: 'activation' in layer ? buildAfter(layer, options) : [],
  };
}

function buildOperator(layer: NetworkLayer, options: BuildOptions): StockLayer | undefined {
  const { name } = layer;
  const seed = seedOf(options.seed, name);
  switch (layer.type) {
    case 'conv': {
      const { filters, kernel, stride, padding, operator } = layer;
      const shape = { filters, kernelSize: kernel, strides: stride, padding };
      if (operator !== undefined)
        return new DecoupledConv2D({ name, ...shape, operator, averageDecay: options.averageDecay, seed });
      return new PlainConv2D({ name, ...shape, seed });
    }
    case 'max-pool':
    case 'average-pool': {
      const args = { name, poolSize: layer.size, strides: layer.stride, padding: layer.padding };
      return layer.type === 'max-pool' ? stock.maxPooling2d(args) : stock.averagePooling2d(args);
    }
    case 'global-average-pool':
      return stock.globalAveragePooling2d({ name });
    case 'flatten':
      return stock.flatten({ name });
    case 'dense': {
      if (layer.operator !== undefined) {
        const { units, operator } = layer;
        return new DecoupledDense({ name, units, operator, averageDecay: options.averageDecay, seed });
      }
      const kernelInitializer = heNormal(layer.inputShape.at(-1) ?? 1, seed);
      return stock.dense({ name, units: layer.units, useBias: false, kernelInitializer });
    }
    case 'add':
      return undefined;
  }
}

/** A plain 1×1 convolution, and its batch normalisation. */
function buildShortcut(
  { name, fromShape, outputShape, projection }: Extract<NetworkLayer, { readonly type: 'add' }>,
  { seed, averageDecay }: BuildOptions,
): LayerPart[] {
  if (projection === undefined) return [];
  const own = `${name}/projection`;
  const convolution = new PlainConv2D({
    name: `${name}_projection`,
    filters: outputShape.at(-1)!,
    kernelSize: 1,
    strides: projection.stride,
    padding: 'same',
    seed: seedOf(seed, own),
  });
  const parts = [{ name: own, layer: convolution, inputShape: fromShape, decay: true }];
  if (!projection.batchNorm) return parts;
  const args = { name: `${name}_projection_batch_norm`, activation: 'none', averageDecay } as const;
  const batchNorm = new DebiasedBatchNormalization(args);
  return [...parts, { name: `${own}/batch_norm`, layer: batchNorm, inputShape: outputShape, decay: true }];
}

function buildAfter(
  layer: Extract<NetworkLayer, { readonly activation: string }>,
  { averageDecay }: BuildOptions,
): LayerPart[] {
  const { name, activation, outputShape: inputShape } = layer;
  const parts: LayerPart[] = [];
  const fused = layer.type !== 'add' && layer.batchNorm;
  if (fused) {
    const relu = activation === 'relu' ? activation : 'none';
    const args = { name: `${name}_batch_norm`, activation: relu, averageDecay } as const;
    const batchNorm = new DebiasedBatchNormalization(args);
    parts.push({ name: `${name}/batch_norm`, layer: batchNorm, inputShape, decay: true });
  }
  if (activation === 'relu' && !fused)
    parts.push({
      name: `${name}/relu`,
      layer: stock.reLU({ name: `${name}_relu` }),
      inputShape,
      decay: false,
    });
  if (activation === 'prelu') {
    const prelu = stock.prelu({
      name: `${name}_prelu`,
      alphaInitializer: initializers.constant({ value: layer.initialSlope ?? defaultSlope }),
      sharedAxes: inputShape.length === 3 ? [1, 2] : [], // one slope a channel: [1, 1, C] or [units]
    });
    parts.push({ name: `${name}/prelu`, layer: prelu, inputShape, decay: false });
  }
  return parts;
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
