import * as tf from '@tensorflow/tfjs-core';
import type { Config } from '../../core/config/schema.js';
import type { DcnetModel } from '../model/model.js';
import { type LossOptions, trainingLoss } from './loss.js';

/** What one forward and backward pass gives. The caller disposes both. */
export interface PassResult {
  /** [loss, number of images classified rightly]. */
  readonly outcome: tf.Tensor1D;
  /** One gradient of each trainable weight, in the model's order. */
  readonly gradients: readonly tf.Tensor[];
}

/** What a pass depends on, beside the model and the batch. */
export type PassOptions = LossOptions & Pick<Config, 'weightDecay'>;

/**
 * Loss and gradients of one batch: {@link trainingLoss}, mean over the batch. The decay
 * λ‖w‖²/2 enters the gradients of the weights that have it, not the loss that is reported.
 * @param x [N, H, W, C], normalised
 * @param labels [N], int32
 * @param part of the whole batch that these images are; loss and gradients are then this part's contribution
 */
export function pass(
  model: DcnetModel,
  x: tf.Tensor4D,
  labels: tf.Tensor1D,
  classes: number,
  options: PassOptions,
  part = 1,
): PassResult {
  return tf.tidy(() => {
    const targets = tf.oneHot(labels, classes); // [N, classes]
    let correct: tf.Scalar | undefined;
    const { value, grads } = orForget(
      () =>
        tf.variableGrads(
          () => {
            const logits = model.train(x); // [N, classes]
            // Kept beyond the tape's scope, which ends with the loss.
            correct = tf.keep(tf.sum<tf.Scalar>(tf.cast(tf.equal(tf.argMax(logits, 1), labels), 'float32')));
            const loss = trainingLoss(targets, logits, options);
            return part === 1 ? loss : tf.mul<tf.Scalar>(loss, part);
          },
          model.trainable.map(({ variable }) => variable),
        ),
      () => correct?.dispose(),
    );
    const outcome = tf.stack([value, correct!]) as tf.Tensor1D;
    correct!.dispose();
    const gradients = model.trainable.map(({ variable }) => grads[variable.name] ?? tf.zerosLike(variable));
    return { outcome, gradients: addDecay(model, gradients, options.weightDecay) };
  });
}

/** The gradients with λw added for the weights that decay; in a `tidy`. */
function addDecay(model: DcnetModel, gradients: tf.Tensor[], weightDecay: number): tf.Tensor[] {
  if (weightDecay === 0) return gradients;
  return model.trainable.map(({ variable, decay }, i) =>
    decay ? tf.add(gradients[i]!, tf.mul(variable, weightDecay)) : gradients[i]!,
  );
}

/** What tfjs's engine keeps for the gradients while it computes them; private there. */
interface Tape {
  activeTape: readonly { readonly saved?: readonly tf.Tensor[] }[] | null;
}

/**
 * Compute gradients; where that fails (a device is out of memory), give back what tfjs had kept for them, which belongs
 * to no scope.
 */
export function orForget<T>(compute: () => T, forget: () => void): T {
  try {
    return compute();
  } catch (thrown) {
    const tape = tf.engine().state as unknown as Tape;
    for (const { saved } of tape.activeTape ?? []) tf.dispose(saved as tf.Tensor[] | undefined);
    tape.activeTape = null;
    forget();
    throw thrown;
  }
}
