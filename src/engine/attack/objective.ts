import * as tf from '@tensorflow/tfjs-core';
import type { DcnetModel } from '../model/model.js';
import { orForget } from '../training/step.js';

/** What an attack wants: away from the images' classes, or towards others. */
export type Goal =
  | { readonly kind: 'away' /** [N], int32. */; readonly labels: tf.Tensor1D }
  | { readonly kind: 'towards' /** [N], int32. */; readonly targets: tf.Tensor1D };

/** A network as an attack sees it: at test time, from its running averages. */
export type Attacked = Pick<DcnetModel, 'predict' | 'normalization'>;

/**
 * What an attack makes large, of each image: the softmax cross entropy of its class, or minus that of its target.
 * In a `tidy`.
 * @param logits [N, classes]
 * @returns [N]
 */
export function objectives(logits: tf.Tensor2D, goal: Goal): tf.Tensor1D {
  const classes = logits.shape[1];
  const wanted = tf.oneHot(goal.kind === 'away' ? goal.labels : goal.targets, classes); // [N, classes]
  const losses = tf.losses.softmaxCrossEntropy(
    wanted,
    logits,
    undefined,
    0,
    tf.Reduction.NONE,
  ) as tf.Tensor1D; // [N]
  return goal.kind === 'away' ? losses : tf.neg(losses);
}

/**
 * Gradient of the objective by the image. It is taken of the sum over the images, so that an image's gradient does not
 * depend on the others of its batch.
 * @param x [N, H, W, C]
 * @returns the sum of the objectives, and [N, H, W, C]
 */
export function objectiveGradient(
  model: Attacked,
  x: tf.Tensor4D,
  goal: Goal,
): { readonly sum: tf.Scalar; readonly gradient: tf.Tensor4D } {
  return tf.tidy(() => {
    const { value, grad } = orForget(
      () =>
        tf.valueAndGrad((input) => tf.sum<tf.Scalar>(objectives(model.predict(input as tf.Tensor4D), goal)))(
          x,
        ),
      () => {},
    );
    return { sum: value as tf.Scalar, gradient: grad as tf.Tensor4D };
  });
}
