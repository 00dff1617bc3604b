import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { type AttackNorm, type AttackOptions, defaultStepSize } from '../../core/attack/attack.js';
import { throwIfCancelled } from '../cancelled.js';
import { type Ball, ballAround } from './ball.js';
import { type Attacked, type Goal, objectiveGradient, objectives } from './objective.js';
import type { PixelScale } from './pixelScale.js';
import { randomPerturbation } from './randomPerturbation.js';

/** Raised where attacks of the same settings come out otherwise: what was measured with others is measured anew. */
export const attacksVersion = 2;

/** Images to attack. */
export interface AttackBatch {
  /** [N, H, W, C], normalised, in the range of pixels. */
  readonly x: tf.Tensor4D;
  readonly goal: Goal;
  /** [N]: what tells an image from all others. Its random starts depend on it, and not on the rest of the batch. */
  readonly keys: ArrayLike<number>;
}

export interface Attempt {
  /** [N, H, W, C]; the caller disposes it. */
  readonly adversarial: tf.Tensor4D;
  /** Sum over the images of what the attack makes large: before each step of the first start. */
  readonly objectives: readonly number[];
}

/**
 * Attack images with the gradients of a network that is used as at test time: batch normalisation and adaptive radii
 * take their running averages. What comes out depends on options, network, image and key alone, and is in the
 * {@link Ball} to the last bit. Between two steps the event loop has its turn.
 * @throws DcnetError `cancelled`
 */
export async function attackImages(
  model: Attacked,
  batch: AttackBatch,
  options: AttackOptions,
  scale: PixelScale,
  signal?: AbortSignal,
): Promise<Attempt> {
  const { attack, norm, epsilon } = options;
  const ball = ballAround(batch.x, norm, epsilon, scale);
  const restarts = attack === 'pgd' ? options.restarts : 1;
  let best: tf.Tensor4D | undefined;
  let trace: readonly number[] = [];
  try {
    for (let restart = 0; restart < restarts; restart++) {
      const climbed = await climb(model, batch, options, scale, ball, restart, signal);
      if (restart === 0) trace = climbed.objectives;
      const before: tf.Tensor4D | undefined = best;
      best = climbed.adversarial;
      if (before === undefined) continue;
      try {
        best = better(model, before, climbed.adversarial, batch.goal);
      } finally {
        tf.dispose(best === climbed.adversarial ? [before] : [before, climbed.adversarial]);
      }
    }
    return { adversarial: best!, objectives: trace };
  } catch (thrown) {
    best?.dispose();
    throw thrown;
  } finally {
    ball.dispose();
  }
}

/** From one start, uphill. */
async function climb(
  model: Attacked,
  { x, goal, keys }: AttackBatch,
  { attack, norm, epsilon, seed, ...options }: AttackOptions,
  scale: PixelScale,
  ball: Ball,
  restart: number,
  signal: AbortSignal | undefined,
): Promise<Attempt> {
  const steps = attack === 'fgsm' ? 1 : options.steps;
  const stepSize =
    attack === 'fgsm' ? epsilon : (options.stepSize ?? defaultStepSize(attack, epsilon, steps));
  const unit = tf.tensor1d([...scale.unit]); // [C]
  const sums: number[] = [];
  let current = tf.tidy(() =>
    attack === 'pgd'
      ? ball.project(
          tf.add(
            x,
            randomPerturbation('start', x.shape, keys, norm, epsilon, scale, seed, `start ${restart}`),
          ),
        )
      : tf.clone(x),
  );
  try {
    for (let step = 0; step < steps; step++) {
      throwIfCancelled(signal);
      const before = current;
      const { sum, gradient } = objectiveGradient(model, before, goal);
      current = tf.tidy(() => {
        const uphill = tf.mul(ascent(tf.mul(gradient, unit), norm), tf.mul(unit, stepSize)); // [N, H, W, C]
        return ball.project(tf.add(before, uphill));
      });
      sums.push((await sum.data())[0]!);
      tf.dispose([before, sum, gradient]);
      await setImmediate();
    }
    const settled = ball.settle(current);
    return { adversarial: settled, objectives: sums };
  } finally {
    tf.dispose([current, unit]);
  }
}

/**
 * The direction in which a function rises most among those of ‖·‖ = 1, of each image; 0 where it is flat.
 * @param gradient [N, H, W, C], by pixel values
 */
function ascent(gradient: tf.Tensor4D, norm: AttackNorm): tf.Tensor4D {
  if (norm === 'linf') return signs(gradient);
  // First by the largest value: a gradient of 1e-30 has no square in float32.
  const largest = tf.max(tf.abs(gradient), [1, 2, 3], true); // [N, 1, 1, 1]
  const even = tf.div(gradient, tf.maximum(largest, 1e-37));
  const length = tf.sqrt(tf.sum(tf.square(even), [1, 2, 3], true)); // [N, 1, 1, 1]
  return tf.div(even, tf.maximum(length, 1e-30));
}

/** −1, 0 or 1. tfjs's own on WebAssembly takes whatever is below 1e-7 for 0, as gradients by pixel values often are. */
function signs<R extends tf.Rank>(x: tf.Tensor<R>): tf.Tensor<R> {
  const is = (holds: tf.Tensor): tf.Tensor => tf.cast(holds, 'float32');
  return tf.sub<tf.Tensor<R>>(is(tf.greater(x, 0)), is(tf.less(x, 0)));
}

/** Of each image the attempt that reaches the goal; of two that do or do not, the one with the larger objective. */
function better(model: Attacked, a: tf.Tensor4D, b: tf.Tensor4D, goal: Goal): tf.Tensor4D {
  return tf.tidy(() => {
    const rank = (x: tf.Tensor4D): { reached: tf.Tensor; objective: tf.Tensor } => {
      const logits = model.predict(x); // [N, classes]
      return { reached: reaches(logits, goal), objective: objectives(logits, goal) };
    };
    const [first, second] = [rank(a), rank(b)];
    const chosen = tf.logicalOr(
      tf.greater(second.reached, first.reached),
      tf.logicalAnd(tf.equal(second.reached, first.reached), tf.greater(second.objective, first.objective)),
    ); // [N]
    return tf.where(tf.reshape(chosen, [-1, 1, 1, 1]), b, a);
  });
}

/** [N], int32: 1 where an image is taken for another class than its own, or for its target. */
function reaches(logits: tf.Tensor2D, goal: Goal): tf.Tensor1D {
  const predicted = tf.argMax(logits, 1); // [N]
  const reached =
    goal.kind === 'away' ? tf.notEqual(predicted, goal.labels) : tf.equal(predicted, goal.targets);
  return tf.cast<tf.Tensor1D>(reached as tf.Tensor1D, 'int32');
}
