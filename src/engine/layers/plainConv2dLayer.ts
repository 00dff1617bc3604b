import * as tf from '@tensorflow/tfjs-core';
import { type LayerVariable, layers } from '@tensorflow/tfjs-layers';
import { affineConvolution } from '../operator/affineConvolution.js';
import { type ConvolutionArgs, channelsOf, convolutionShape } from './convolutionShape.js';
import type { DecoupledCall } from './decoupledConv2dLayer.js';
import { heNormal, onlyTensor, variableOf } from './layerWeights.js';

/**
 * A convolution by inner products as a layer: [N, H, W, Cin] → [N, H′, W′, F], without a bias. Its weight is `kernel`
 * [K, K, Cin, F]. The layer of tf.layers computes the gradient to its input even where that is the images, which nobody asks
 * for: in a first layer of few channels that takes longer than the layer itself.
 */
export class PlainConv2D extends layers.Layer {
  static readonly className: string = 'PlainConv2D';

  private readonly options: ConvolutionArgs;
  private kernelWeight: LayerVariable | undefined;

  constructor(args: ConvolutionArgs) {
    super(args as ConstructorParameters<typeof layers.Layer>[0]);
    this.options = args;
  }

  override build(inputShape: (number | null)[]): void {
    const { filters, kernelSize, seed } = this.options;
    const channels = channelsOf(inputShape, this.name);
    const initializer = heNormal(kernelSize * kernelSize * channels, seed);
    const shape = [kernelSize, kernelSize, channels, filters];
    this.kernelWeight = this.addWeight('kernel', shape, 'float32', initializer);
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], { affine }: Pick<DecoupledCall, 'affine'>): tf.Tensor {
    if (this.kernelWeight === undefined) throw new Error(`${this.name} is not built yet.`);
    const { kernelSize, strides, padding } = this.options;
    const x = onlyTensor(inputs) as tf.Tensor4D;
    const filters = variableOf(this.kernelWeight) as tf.Tensor as tf.Tensor4D;
    if (affine === undefined) return tf.conv2d(x, filters, strides, padding);
    const window = { kernel: kernelSize, stride: strides, padding };
    return tf.tidy(() => affineConvolution({ x, filters }, undefined, window, affine()));
  }

  override computeOutputShape(inputShape: (number | null)[]): (number | null)[] {
    return convolutionShape(inputShape, this.options);
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { filters, kernelSize, strides, padding, seed } = this.options;
    return { ...super.getConfig(), filters, kernelSize, strides, padding, seed };
  }
}

tf.serialization.registerClass(PlainConv2D);
