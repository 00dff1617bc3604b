import * as tf from '@tensorflow/tfjs-core';
import { type DecoupledCall, DecoupledConv2D, type DecoupledConv2DArgs } from './decoupledConv2dLayer.js';
import { onlyTensor } from './layerWeights.js';

export type DecoupledDenseArgs = Omit<
  DecoupledConv2DArgs,
  'filters' | 'kernelSize' | 'strides' | 'padding'
> & {
  readonly units: number;
};

/**
 * A decoupled product of all features with each unit's weights: [N, features] → [N, units]. It is the decoupled
 * convolution of one patch, the whole vector; `kernel` is [features, units] as in a plain dense layer, the other weights
 * are as in {@link DecoupledConv2D}.
 */
export class DecoupledDense extends DecoupledConv2D {
  static override readonly className: string = 'DecoupledDense';

  constructor({ units, ...args }: DecoupledDenseArgs) {
    super({ ...args, filters: units, kernelSize: 1, strides: 1, padding: 'valid' });
  }

  protected override kernelShape(features: number): number[] {
    return [features, this.units];
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: DecoupledCall): tf.Tensor {
    return tf.tidy(() => {
      const x = onlyTensor(inputs); // [N, features]
      const { onProjection, ...rest } = kwargs;
      const patches = tf.reshape(x, [-1, 1, 1, x.shape[1]!]);
      const y = super.call(patches, {
        ...rest,
        ...(onProjection === undefined
          ? {}
          : { onProjection: (projection) => onProjection(this.flat(projection)) }),
      });
      return this.flat(y);
    });
  }

  override computeOutputShape(inputShape: (number | null)[]): (number | null)[] {
    return [inputShape[0] ?? null, this.units];
  }

  /** [N, 1, 1, units] → [N, units]. */
  private flat(tensor: tf.Tensor): tf.Tensor {
    return tf.reshape(tensor, [-1, this.units]);
  }
}

tf.serialization.registerClass(DecoupledDense);
