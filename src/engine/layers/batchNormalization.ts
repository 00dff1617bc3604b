import * as tf from '@tensorflow/tfjs-core';
import { initializers, type LayerVariable, layers } from '@tensorflow/tfjs-layers';
import type { ChannelAffine } from '../operator/affineConvolution.js';
import { type BatchStatistics, batchNormalize, normalizeWith, testAffine } from '../operator/batchNorm.js';
import type { decoupledProduct } from '../operator/decoupledProduct.js';
import {
  batchNormalizeProduct,
  type ChannelScale,
  normalizeProductWith,
} from '../operator/normalizedProduct.js';
import { onlyTensor, variableOf } from './layerWeights.js';
import { updateRunningAverages } from './runningAverage.js';

export interface BatchNormalizationArgs {
  readonly name?: string;
  /** What follows, in the same pass over memory. */
  readonly activation: 'relu' | 'none';
  /** Decay of the running averages, in [0, 1). */
  readonly averageDecay: number;
  readonly batchInputShape?: (number | null)[];
}

/**
 * Batch normalisation over all axes but the last, ε = 1e-3, with zero-debiased running averages (the stock layer's
 * are biased towards their start). [..., C] → [..., C].
 *
 * Weights, all [C] but the last: `gamma`, `beta`, `moving_mean`, `moving_variance`, `average_weight` (scalar).
 */
export class DebiasedBatchNormalization extends layers.Layer {
  static readonly className = 'DebiasedBatchNormalization';

  private readonly options: BatchNormalizationArgs;
  private parts:
    | Readonly<Record<'gamma' | 'beta' | 'mean' | 'variance' | 'averageWeight', LayerVariable>>
    | undefined;

  constructor(args: BatchNormalizationArgs) {
    super(args as ConstructorParameters<typeof layers.Layer>[0]);
    this.options = args;
  }

  override build(inputShape: (number | null)[]): void {
    const channels = inputShape.at(-1);
    if (typeof channels !== 'number') throw new Error(`${this.name}: the number of channels must be known.`);
    const add = (name: string, size: number[], value: number, trainable: boolean): LayerVariable =>
      this.addWeight(name, size, 'float32', initializers.constant({ value }), undefined, trainable);
    this.parts = {
      gamma: add('gamma', [channels], 1, true),
      beta: add('beta', [channels], 0, true),
      mean: add('moving_mean', [channels], 0, false),
      variance: add('moving_variance', [channels], 1, false),
      averageWeight: add('average_weight', [], 0, false),
    };
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: { training?: boolean }): tf.Tensor {
    return tf.tidy(() => {
      const x = onlyTensor(inputs);
      const { gamma, beta, relu } = this.scale;
      if (kwargs.training !== true) return normalizeWith(x, gamma, beta, relu, this.averages);
      return batchNormalize(x, gamma, beta, relu, (statistics) => this.takeUp(statistics));
    });
  }

  /** {@link call} of h·g, for a layer before whose output it is, where `canNormalizeProduct(training)`. */
  normalizing(training: boolean): typeof decoupledProduct {
    return (inputs, functions) =>
      training
        ? batchNormalizeProduct(inputs, functions, this.scale, (statistics) => this.takeUp(statistics))
        : normalizeProductWith(inputs, functions, this.affine());
  }

  /** What {@link call} does at test time. */
  affine(): ChannelAffine {
    const { gamma, beta, relu } = this.scale;
    return { ...testAffine(gamma, beta, this.averages), relu };
  }

  override computeOutputShape(inputShape: (number | null)[]): (number | null)[] {
    return inputShape;
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { activation, averageDecay } = this.options;
    return { ...super.getConfig(), activation, averageDecay };
  }

  private get weightsOnceBuilt() {
    if (this.parts === undefined) throw new Error(`${this.name} is not built yet.`);
    return this.parts;
  }

  private get scale(): ChannelScale {
    const { gamma, beta } = this.weightsOnceBuilt;
    const relu = this.options.activation === 'relu';
    return { gamma: gamma.read() as tf.Tensor1D, beta: beta.read() as tf.Tensor1D, relu };
  }

  private get averages(): BatchStatistics {
    const { mean, variance } = this.weightsOnceBuilt;
    return { mean: mean.read() as tf.Tensor1D, variance: variance.read() as tf.Tensor1D };
  }

  /** The running averages take a step. */
  private takeUp(statistics: BatchStatistics): void {
    const { mean, variance, averageWeight } = this.weightsOnceBuilt;
    updateRunningAverages(
      [variableOf(mean), variableOf(variance)],
      variableOf(averageWeight),
      [statistics.mean, statistics.variance],
      this.options.averageDecay,
    );
  }
}

tf.serialization.registerClass(DebiasedBatchNormalization);
