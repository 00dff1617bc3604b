import * as tf from '@tensorflow/tfjs-core';
import { initializers, type LayerVariable, layers } from '@tensorflow/tfjs-layers';
import { type Operator, usesRadius } from '../../core/operator/operator.js';
import type { ChannelAffine } from '../operator/affineConvolution.js';
import { decoupledConv2d, hasBareProduct } from '../operator/decoupledConv2d.js';
import type { decoupledProduct } from '../operator/decoupledProduct.js';
import { radiusInUse } from '../operator/weighting.js';
import { type ConvolutionArgs, channelsOf, convolutionShape } from './convolutionShape.js';
import { heNormal, onlyTensor, variableOf } from './layerWeights.js';
import { updateRunningAverages } from './runningAverage.js';

/** ρ = r² + this, so that ρ stays positive (authors' code). */
export const rhoFloor = 1e-4;
/** k = |r| + this (authors' code). */
export const kFloor = 0.05;

export interface DecoupledConv2DArgs extends ConvolutionArgs {
  readonly operator: Operator;
  /** Decay of the mean patch norm's running average, in [0, 1). */
  readonly averageDecay: number;
}

/** How a decoupled layer is called. */
export interface DecoupledCall {
  readonly training?: boolean;
  /** Gets the convolution before h and g. */
  readonly onProjection?: (projection: tf.Tensor) => void;
  /** Computes h·g and the next layer's part, where the layer {@link DecoupledConv2D.hasBareProduct}. */
  readonly product?: typeof decoupledProduct;
  /** The next layer's batch normalisation at test time, to be done along with all else. */
  readonly affine?: () => ChannelAffine;
}

/**
 * A decoupled convolution as a layer: [N, H, W, Cin] → [N, H′, W′, F].
 *
 * Weights: `kernel` [K, K, Cin, F]; `rho_root` r with ρ = r² + 1e-4, [F] or [1], where the operator has a radius;
 * `k_root` with k = |r| + 0.05, [F] or [1], for the sigmoid; `mean_patch_norm` and its weight, scalars, for the
 * adaptive radius R = ρ·E‖x‖: a batch mean in training, with the gradient flowing through it, and a zero-debiased
 * running average at test time.
 */
export class DecoupledConv2D extends layers.Layer {
  static readonly className: string = 'DecoupledConv2D';

  private readonly options: DecoupledConv2DArgs;
  private kernelWeight: LayerVariable | undefined;
  private rhoWeight: LayerVariable | undefined;
  private kWeight: LayerVariable | undefined;
  private meanWeight: LayerVariable | undefined;
  private meanWeightWeight: LayerVariable | undefined;

  constructor(args: DecoupledConv2DArgs) {
    super(args as ConstructorParameters<typeof layers.Layer>[0]);
    this.options = args;
  }

  /** Number of filters F. */
  protected get units(): number {
    return this.options.filters;
  }

  override build(inputShape: (number | null)[]): void {
    const { filters, kernelSize, operator, seed } = this.options;
    const channels = channelsOf(inputShape, this.name);
    this.kernelWeight = this.addWeight(
      'kernel',
      this.kernelShape(channels),
      'float32',
      heNormal(kernelSize * kernelSize * channels, seed),
    );
    const add = (name: string, size: number[], value: number, trainable: boolean): LayerVariable =>
      this.addWeight(name, size, 'float32', initializers.constant({ value }), undefined, trainable);
    if (usesRadius(operator.magnitude)) {
      const root = Math.sqrt(Math.max(operator.rho - rhoFloor, 1e-8));
      const size = operator.learnRho === 'per-filter' ? filters : 1;
      this.rhoWeight = add('rho_root', [size], root, operator.learnRho !== false);
    }
    if (operator.angular === 'sigmoid') {
      const size = operator.learnK === 'per-filter' ? filters : 1;
      this.kWeight = add('k_root', [size], operator.k - kFloor, operator.learnK !== false);
    }
    if (this.isAdaptive) {
      this.meanWeight = add('mean_patch_norm', [], 1, false);
      this.meanWeightWeight = add('mean_patch_norm_weight', [], 0, false);
    }
    this.built = true;
  }

  /** Whether the layer's output is h·g, so that `product` can do to it what the next layer does. */
  get hasBareProduct(): boolean {
    return hasBareProduct(this.options.operator);
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: DecoupledCall): tf.Tensor {
    const { strides, padding, operator } = this.options;
    return tf.tidy(() => {
      const x = onlyTensor(inputs) as tf.Tensor4D;
      const { onProjection, product, training } = kwargs;
      const rho = this.rho();
      const affine = kwargs.affine?.();
      const shared = {
        ...operator,
        stride: strides,
        padding,
        rho,
        k: this.k(),
        onProjection,
        product,
        affine,
      };
      const kernel = this.filters4D(x.shape[3]);
      if (rho === undefined || !this.isAdaptive)
        return decoupledConv2d(x, kernel, { ...shared, radius: rho });
      const radius =
        training === true
          ? { rho, onMean: (mean: tf.Scalar) => this.takeUp(mean) }
          : tf.mul<tf.Tensor1D>(rho, this.meanPatchNorm);
      return decoupledConv2d(x, kernel, { ...shared, radius });
    });
  }

  /** [K, K, Cin, F] as a weight of the layer has its filters. */
  protected kernelShape(channels: number): number[] {
    const { kernelSize, filters } = this.options;
    return [kernelSize, kernelSize, channels, filters];
  }

  private filters4D(channels: number): tf.Tensor4D {
    const { kernelSize, filters } = this.options;
    const kernel = this.kernel as tf.Tensor;
    return kernel.rank === 4
      ? (kernel as tf.Tensor4D)
      : tf.reshape(kernel, [kernelSize, kernelSize, channels, filters]);
  }

  /** [K, K, Cin, F], or as {@link kernelShape} says. */
  get kernel(): tf.Variable {
    if (this.kernelWeight === undefined) throw new Error(`${this.name} is not built yet.`);
    return variableOf(this.kernelWeight);
  }

  /** E‖x‖, the running average; throws where the radius is not adaptive. */
  get meanPatchNorm(): tf.Variable {
    if (this.meanWeight === undefined) throw new Error(`${this.name} has no adaptive radius.`);
    return variableOf(this.meanWeight);
  }

  /** ρ [F] or [1]; `undefined` where the operator has no radius. */
  rho(): tf.Tensor1D | undefined {
    if (this.rhoWeight === undefined) return undefined;
    return tf.add<tf.Tensor1D>(tf.square(this.rhoWeight.read()), rhoFloor);
  }

  /**
   * R in use at test time in the unit of ‖x‖, [F] or [1]: ρ or ρ·E‖x‖, and over ‖w‖ for the joint weighting;
   * `undefined` where the operator has no radius.
   */
  radiusInUse(): tf.Tensor1D | undefined {
    const rho = this.rho();
    if (rho === undefined) return undefined;
    const radius = this.isAdaptive ? tf.mul<tf.Tensor1D>(rho, this.meanPatchNorm) : rho;
    return radiusInUse(this.options.operator.weighting, radius, this.kernel);
  }

  /** k [F] or [1]; `undefined` where the activation has none. */
  k(): tf.Tensor1D | undefined {
    if (this.kWeight === undefined) return undefined;
    return tf.add<tf.Tensor1D>(tf.abs(this.kWeight.read()), kFloor);
  }

  /** R = ρ·E‖x‖ as `meanPatchNorm`, or a norm as unit; see the class. */
  get isAdaptive(): boolean {
    const { magnitude, radius } = this.options.operator;
    return usesRadius(magnitude) && radius === 'adaptive';
  }

  override computeOutputShape(inputShape: (number | null)[]): (number | null)[] {
    return convolutionShape(inputShape, this.options);
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { filters, kernelSize, strides, padding, operator, averageDecay, seed } = this.options;
    return {
      ...super.getConfig(),
      filters,
      kernelSize,
      strides,
      padding,
      operator: { ...operator },
      averageDecay,
      seed,
    };
  }

  /** The running average takes a step. */
  private takeUp(mean: tf.Scalar): void {
    if (this.meanWeightWeight === undefined) throw new Error(`${this.name} is not built yet.`);
    updateRunningAverages(
      [this.meanPatchNorm],
      variableOf(this.meanWeightWeight),
      [mean],
      this.options.averageDecay,
    );
  }
}

tf.serialization.registerClass(DecoupledConv2D);
