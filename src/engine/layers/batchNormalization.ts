import * as tf from '@tensorflow/tfjs-core';
import { initializers, type LayerVariable, layers } from '@tensorflow/tfjs-layers';
import { batchNormalize, normalizeWith } from '../operator/batchNorm.js';
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
    const { parts } = this;
    if (parts === undefined) throw new Error(`${this.name} is not built yet.`);
    const relu = this.options.activation === 'relu';
    const gamma = parts.gamma.read() as tf.Tensor1D;
    const beta = parts.beta.read() as tf.Tensor1D;
    return tf.tidy(() => {
      const x = onlyTensor(inputs);
      if (kwargs.training !== true) {
        const statistics = {
          mean: parts.mean.read() as tf.Tensor1D,
          variance: parts.variance.read() as tf.Tensor1D,
        };
        return normalizeWith(x, gamma, beta, relu, statistics);
      }
      return batchNormalize(x, gamma, beta, relu, ({ mean, variance }) =>
        updateRunningAverages(
          [variableOf(parts.mean), variableOf(parts.variance)],
          variableOf(parts.averageWeight),
          [mean, variance],
          this.options.averageDecay,
        ),
      );
    });
  }

  override computeOutputShape(inputShape: (number | null)[]): (number | null)[] {
    return inputShape;
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { activation, averageDecay } = this.options;
    return { ...super.getConfig(), activation, averageDecay };
  }
}

tf.serialization.registerClass(DebiasedBatchNormalization);
