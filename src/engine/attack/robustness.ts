import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { AttackName, AttackNorm, AttackOptions } from '../../core/attack/attack.js';
import type { RobustnessCurve, RobustnessMeasurement } from '../../core/attack/robustness.js';
import { DcnetError } from '../../core/errors.js';
import type { WorkProgress } from '../../protocol/engine.js';
import { throwIfCancelled } from '../cancelled.js';
import type { DataSet } from '../data/dataSet.js';
import { imageTensor, labelTensor } from '../data/images.js';
import { attackImages } from './attack.js';
import { ballAround } from './ball.js';
import { type Attacked, type Goal, objectiveGradient, objectives } from './objective.js';
import { type PixelScale, pixelScale } from './pixelScale.js';
import { randomPerturbation } from './randomPerturbation.js';
import { renormalised } from './renormalised.js';
import { chooseTargets, type Target } from './targets.js';

export interface RobustnessOptions {
  readonly attacks: readonly AttackName[];
  readonly norm: AttackNorm;
  /** In pixel values, increasing. */
  readonly epsilons: readonly number[];
  readonly steps: number;
  /** Of BIM and PGD, in pixel values, at every ε; left out, `defaultStepSize`. */
  readonly stepSize?: number | undefined;
  readonly restarts: number;
  /** `false`: away from the image's own class. */
  readonly targeted: Target | false;
  /** At most so many images from the start of the split, less those of a class that attacks go towards. */
  readonly images: number;
  readonly seed: number;
}

/** What is measured; who it was measured on, its caller knows. */
export type MeasuredRobustness = Pick<
  RobustnessMeasurement,
  | 'split'
  | 'sampleSize'
  | 'splitSize'
  | 'classes'
  | 'targeted'
  | 'accuracy'
  | 'curves'
  | 'noise'
  | 'zeroGradients'
  | 'unbounded'
> & { readonly sourceAccuracy: number | undefined };

/** PGD with room for any image takes at least so many steps, of its own size, for it has far to go. */
const unboundedSteps = 40;

interface Tally {
  readonly attack: AttackName;
  readonly access: RobustnessCurve['access'];
  readonly right: number[];
  readonly reached: number[];
  readonly objectives: number[][];
}

/**
 * Accuracy under attacks of all sizes, by the network's own gradients and, where there is a source, by that one's: a
 * transferred attack asks the network for nothing but its answer to the images that come out.
 * @param batch images at a time
 * @throws DcnetError `cancelled`, or `usage` where every image is of the class that attacks go towards
 */
export async function measureRobustness(
  target: Attacked,
  transferred: Attacked | undefined,
  data: DataSet,
  splitName: 'train' | 'test',
  options: RobustnessOptions,
  batch: number,
  { signal, report }: { readonly signal: AbortSignal; readonly report: (progress: WorkProgress) => void },
): Promise<MeasuredRobustness> {
  const { attacks, norm, epsilons, steps, stepSize, restarts, seed, targeted } = options;
  const split = data[splitName];
  const { shape, classes } = data.info;
  const source = transferred && renormalised(transferred, target.normalization);
  const scale = pixelScale(target.normalization);
  const first = Math.min(split.count, options.images);
  const ownClass = typeof targeted === 'object' ? targeted.class : undefined;
  const attacked = Uint32Array.from({ length: first }, (_, i) => i).filter(
    (index) => split.labels[index] !== ownClass,
  );
  const images = attacked.length;
  if (images === 0)
    throw new DcnetError({
      code: 'usage',
      message: `Every image is of the class ${data.info.classNames[ownClass!]}, towards which attacks were to go.`,
      remedy: 'Name another class, or more images.',
    });
  const targetsOf = targeted === false ? undefined : chooseTargets(targeted, target, split, classes, seed);
  const tallyOf = (attack: AttackName, access: Tally['access']): Tally => ({
    attack,
    access,
    right: epsilons.map(() => 0),
    reached: epsilons.map(() => 0),
    objectives: epsilons.map(() => []),
  });
  const tallies = [
    ...attacks.map((attack) => tallyOf(attack, 'white-box')),
    ...(source === undefined ? [] : attacks.map((attack) => tallyOf(attack, 'transfer'))),
  ];
  const noise = epsilons.map(() => 0);
  const iterates = attacks.some((attack) => attack !== 'fgsm');
  const free: AttackOptions = {
    attack: 'pgd',
    norm,
    epsilon: norm === 'linf' ? 255 : 255 * Math.sqrt(shape[0] * shape[1] * shape[2]),
    steps: Math.max(steps, unboundedSteps),
    restarts: 1,
    seed,
  };
  let [right, sourceRight, flat, freeRight, done] = [0, 0, 0, 0, 0];
  const parts = tallies.length * epsilons.length + (iterates ? 1 : 0) + 1;
  const progress = (activity: string, part: number, size: number): void =>
    report({ activity, done: done * parts + part * size, total: images * parts });

  for (let from = 0; from < images; from += batch) {
    const indices = attacked.subarray(from, from + batch);
    const n = indices.length;
    const x = imageTensor(split.images, shape, indices, target.normalization);
    const labels = labelTensor(split.labels, indices);
    const targets = targetsOf?.(x, indices);
    const goal: Goal = targets !== undefined ? { kind: 'towards', targets } : { kind: 'away', labels };
    const taken = (model: Attacked, moved: tf.Tensor4D, as: tf.Tensor1D): number =>
      tf.tidy(
        () => tf.sum(tf.cast(tf.equal(tf.argMax(model.predict(moved), 1), as), 'int32')).dataSync()[0]!,
      );
    let part = 0;
    try {
      throwIfCancelled(signal);
      progress('Without attack', part++, n);
      right += taken(target, x, labels);
      if (source !== undefined) sourceRight += taken(source, x, labels);
      flat += withoutGradient(target, x, goal);
      for (const [i, epsilon] of epsilons.entries()) {
        for (const { attack, access, ...tally } of tallies) {
          progress(`${attack.toUpperCase()}, ${access}, ε = ${epsilon}`, part++, n);
          const by = access === 'transfer' ? source! : target;
          const attempt = { attack, norm, epsilon, steps, stepSize, restarts, seed };
          const { adversarial, ...found } = await attackImages(
            by,
            { x, goal, keys: indices },
            attempt,
            scale,
            signal,
          );
          tally.right[i]! += taken(target, adversarial, labels);
          if (targets !== undefined) tally.reached[i]! += taken(target, adversarial, targets);
          const last = tf.tidy(() => tf.sum(objectives(by.predict(adversarial), goal)).dataSync()[0]!);
          for (const [step, sum] of [...found.objectives, last].entries())
            tally.objectives[i]![step] = (tally.objectives[i]![step] ?? 0) + sum / images;
          adversarial.dispose();
        }
        const noisy = withNoise(x, indices, norm, epsilon, seed, scale);
        noise[i]! += taken(target, noisy, labels);
        noisy.dispose();
      }
      if (iterates) {
        progress('PGD, with room for any image', part++, n);
        const { adversarial } = await attackImages(target, { x, goal, keys: indices }, free, scale, signal);
        freeRight += taken(target, adversarial, labels);
        adversarial.dispose();
      }
    } finally {
      tf.dispose([x, labels, ...(targets === undefined ? [] : [targets])]);
    }
    done += n;
    progress('Attacking', 0, n);
    await setImmediate();
  }
  return {
    split: splitName,
    sampleSize: images,
    splitSize: split.count,
    classes,
    targeted:
      typeof targeted === 'object'
        ? { ...targeted, name: data.info.classNames[targeted.class]!, leftOut: first - images }
        : targeted,
    accuracy: right / images,
    sourceAccuracy: source === undefined ? undefined : sourceRight / images,
    curves: tallies.map(({ attack, access, right: rights, reached, objectives: sums }) => ({
      attack,
      access,
      accuracies: rights.map((count) => count / images),
      ...(targetsOf === undefined ? {} : { reached: reached.map((count) => count / images) }),
      objectives: sums,
    })),
    noise: noise.map((count) => count / images),
    zeroGradients: flat / images,
    ...(iterates
      ? { unbounded: { epsilon: free.epsilon, steps: free.steps, accuracy: freeRight / images } }
      : {}),
  };
}

/** Images whose gradient is 0 everywhere. */
function withoutGradient(model: Attacked, x: tf.Tensor4D, goal: Goal): number {
  return tf.tidy(() => {
    const largest = tf.max(tf.abs(objectiveGradient(model, x, goal).gradient), [1, 2, 3]); // [N]
    return tf.sum(tf.cast(tf.equal(largest, 0), 'int32')).dataSync()[0]!;
  });
}

/** Random noise on the edge of the ball, then clipped to the range of pixels as an attack is. */
function withNoise(
  x: tf.Tensor4D,
  keys: ArrayLike<number>,
  norm: AttackNorm,
  epsilon: number,
  seed: number,
  scale: PixelScale,
): tf.Tensor4D {
  const ball = ballAround(x, norm, epsilon, scale);
  try {
    return tf.tidy(() =>
      ball.settle(
        ball.project(
          tf.add(x, randomPerturbation('noise', x.shape, keys, norm, epsilon, scale, seed, 'noise')),
        ),
      ),
    );
  } finally {
    ball.dispose();
  }
}
