import * as tf from '@tensorflow/tfjs-core';
import type { AttackTarget } from '../../core/attack/attack.js';
import { DcnetError } from '../../core/errors.js';
import { uniformIntegers } from '../../core/random.js';
import type { Split } from '../data/split.js';
import type { Attacked } from './objective.js';

/** Where targeted attacks go: a rule, or the number of a class. */
export type Target = Exclude<AttackTarget, object> | { readonly class: number };

/**
 * The target of a class that is named, or numbered from 0.
 * @throws DcnetError `usage` where there is no such class
 */
export function targetOf(target: AttackTarget, classNames: readonly string[]): Target {
  if (typeof target === 'string') return target;
  const named = classNames.indexOf(target.class);
  if (named >= 0) return { class: named };
  if (/^\d+$/.test(target.class) && Number(target.class) < classNames.length)
    return { class: Number(target.class) };
  throw new DcnetError({
    code: 'usage',
    message: `There is no class ${target.class} that attacks could go towards.`,
    remedy: `Name one of ${classNames.slice(0, 20).join(', ')}${classNames.length > 20 ? ', …' : ''}, a number from 0 to ${classNames.length - 1}, or least-likely, random or next.`,
  });
}

/**
 * Which class an attack goes towards, of each image; what is drawn depends on the seed and the image alone.
 * @returns takes images [N, H, W, C] and their places in the split, and gives their targets: [N], int32
 */
export function chooseTargets(
  target: Target,
  model: Attacked,
  { count, labels }: Split,
  classes: number,
  seed: number,
): (x: tf.Tensor4D, indices: Uint32Array) => tf.Tensor1D {
  const ofLabels =
    (choose: (label: number, index: number) => number) => (_: tf.Tensor4D, indices: Uint32Array) =>
      tf.tensor1d(
        Int32Array.from(indices, (index) => choose(labels[index]!, index)),
        'int32',
      );
  if (typeof target === 'object') return ofLabels(() => target.class);
  switch (target) {
    case 'least-likely':
      return (x) => tf.tidy(() => tf.cast(tf.argMin(model.predict(x), 1) as tf.Tensor1D, 'int32'));
    case 'random': {
      // One of the others: those from the own class on are one further.
      const others = uniformIntegers(count, classes - 1, seed, 'targets of attacks');
      return ofLabels((label, index) => others[index]! + (others[index]! >= label ? 1 : 0));
    }
    case 'next':
      return ofLabels((label) => (label + 1) % classes);
  }
}
