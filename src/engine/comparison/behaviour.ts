import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { LinearCka } from '../../core/comparison/cka.js';
import type { BehaviourComparison, Flips } from '../../core/comparison/comparison.js';
import { matchLayers } from '../../core/comparison/match.js';
import { wassersteinDistance } from '../../core/comparison/wasserstein.js';
import type { Network } from '../../core/config/network.js';
import type { Distribution, LayerInspection } from '../../core/statistics/inspection.js';
import { mcnemar } from '../../core/verdict/mcnemar.js';
import { valuesOf } from '../backend/valuesOf.js';
import { throwIfCancelled } from '../cancelled.js';
import type { DataSet } from '../data/dataSet.js';
import { imageTensor, inOrder } from '../data/images.js';
import type { Labels } from '../data/split.js';
import type { DcnetModel } from '../model/model.js';
import { argMax, logSumExp } from '../training/evaluate.js';
import type { CompareOptions } from './weights.js';

/** Images of one Gram matrix, and the most of them that CKA is estimated from. */
const ckaBatch = 100;
const mostCkaImages = 1000;

export interface RunnableNetwork {
  readonly network: Network;
  readonly model: DcnetModel;
}

export interface PredictionComparison
  extends Pick<BehaviourComparison, 'sampleSize' | 'a' | 'b' | 'flips' | 'cka'> {}

/**
 * Run the test split through both networks: accuracies, losses, which predictions changed, and the unbiased linear CKA
 * of the outputs of their layers with filters (before normalisation and activation), from the first images in whole
 * batches.
 * @throws DcnetError `cancelled`
 */
export async function comparePredictions(
  a: RunnableNetwork,
  b: RunnableNetwork,
  data: DataSet,
  { signal, onProgress }: CompareOptions = {},
): Promise<PredictionComparison> {
  const { shape, classes, classNames } = data.info;
  const split = data.test;
  const tally = new Tally(split.labels, classes);
  const cka = new LinearCka(layersOf(a).length, layersOf(b).length);
  for (const indices of inOrder(split, ckaBatch)) {
    throwIfCancelled(signal);
    onProgress?.({ activity: 'Running both networks', done: indices[0]!, total: split.count });
    const whole = indices.length === ckaBatch || (cka.images === 0 && indices.length > 3);
    const grams = whole && cka.images < mostCkaImages;
    const [first, second] = [a, b].map((network) => {
      const x = imageTensor(split.images, shape, indices, network.model.normalization);
      try {
        return run(network, x, grams);
      } finally {
        x.dispose();
      }
    }) as [Outputs, Outputs];
    tally.add(indices, first.logits, second.logits);
    if (grams) cka.add(first.grams, second.grams, indices.length);
    await setImmediate();
  }
  return {
    sampleSize: split.count,
    ...tally.result(classNames),
    cka: {
      images: cka.images,
      batch: Math.min(ckaBatch, split.count),
      layersA: layersOf(a),
      layersB: layersOf(b),
      values: cka.values().map((row) => row.map((value) => (Number.isFinite(value) ? value : null))),
    },
  };
}

function layersOf({ network }: RunnableNetwork): string[] {
  return network.layers.filter(hasFilters).map(({ name }) => name);
}

const hasFilters = ({ type }: { readonly type: string }): boolean => type === 'conv' || type === 'dense';

interface Outputs {
  readonly logits: Float32Array;
  readonly grams: readonly Float32Array[];
}

function run({ model }: RunnableNetwork, x: tf.Tensor4D, withGrams: boolean): Outputs {
  const grams: Float32Array[] = [];
  const scores = model.walk(x, (layer, _input, output) => {
    if (withGrams && hasFilters(layer)) grams.push(gramMatrix(output));
  });
  const logits = scores.dataSync<'float32'>();
  scores.dispose();
  return { logits, grams };
}

/** XXᵀ [N, N] of a batch's outputs [N, ...]. Centred first, which HSIC₁ does not see, but float32's rounding does. */
function gramMatrix(output: tf.Tensor): Float32Array {
  return valuesOf(() => {
    const flat = tf.reshape(output, [output.shape[0]!, -1]) as tf.Tensor2D;
    const centred = tf.sub<tf.Tensor2D>(flat, tf.mean(flat, 0));
    // Transposed here: the WebAssembly runtime multiplies quickly only what is not to be transposed.
    return tf.matMul(centred, tf.transpose(centred));
  });
}

/** Counts right and wrong, image by image. */
class Tally {
  #lossA = 0;
  #lossB = 0;
  #bothRight = 0;
  #bothWrongAlike = 0;
  #bothWrongDifferently = 0;
  readonly #images: number[];
  readonly #fixed: number[];
  readonly #broken: number[];

  constructor(
    private readonly labels: Labels,
    private readonly classes: number,
  ) {
    [this.#images, this.#fixed, this.#broken] = [0, 1, 2].map(() => new Array<number>(classes).fill(0)) as [
      number[],
      number[],
      number[],
    ];
  }

  add(indices: Uint32Array, a: Float32Array, b: Float32Array): void {
    for (const [i, image] of indices.entries()) {
      const label = this.labels[image]!;
      const row = (logits: Float32Array): Float32Array =>
        logits.subarray(i * this.classes, (i + 1) * this.classes);
      const [first, second] = [argMax(row(a)), argMax(row(b))];
      this.#lossA += logSumExp(row(a)) - row(a)[label]!;
      this.#lossB += logSumExp(row(b)) - row(b)[label]!;
      this.#images[label]!++;
      if (first === label && second === label) this.#bothRight++;
      else if (second === label) this.#fixed[label]!++;
      else if (first === label) this.#broken[label]!++;
      else if (first === second) this.#bothWrongAlike++;
      else this.#bothWrongDifferently++;
    }
  }

  result(classNames: readonly string[]): Pick<BehaviourComparison, 'a' | 'b' | 'flips'> {
    const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
    const [images, fixed, broken] = [total(this.#images), total(this.#fixed), total(this.#broken)];
    const flips: Flips = {
      bothRight: this.#bothRight,
      fixed,
      broken,
      bothWrongAlike: this.#bothWrongAlike,
      bothWrongDifferently: this.#bothWrongDifferently,
      midP: mcnemar(fixed, broken).midP,
      perClass: classNames.map((name, label) => ({
        name,
        images: this.#images[label]!,
        fixed: this.#fixed[label]!,
        broken: this.#broken[label]!,
      })),
    };
    return {
      a: { accuracy: (this.#bothRight + broken) / images, loss: this.#lossA / images },
      b: { accuracy: (this.#bothRight + fixed) / images, loss: this.#lossB / images },
      flips,
    };
  }
}

/** Norms and angles of the layers that belong together, each with its distance. */
export function compareDistributions(
  a: readonly LayerInspection[],
  b: readonly LayerInspection[],
  shapes: (side: 'a' | 'b', layer: string) => readonly number[],
  { layersA, layersB, values }: BehaviourComparison['cka'],
): BehaviourComparison['layers'] {
  const described = (side: 'a' | 'b', layers: readonly LayerInspection[]) =>
    layers.map(({ name, type }) => ({ name, type, shape: shapes(side, name) }));
  return matchLayers(described('a', a), described('b', b)).map(([i, j]) => {
    const [x, y] = [a[i]!, b[j]!];
    return {
      a: x.name,
      b: y.name,
      norm: pair(x.norm, y.norm),
      angle: pair(x.angle, y.angle),
      cka: values[layersA.indexOf(x.name)]?.[layersB.indexOf(y.name)] ?? null,
    };
  });
}

function pair(a: Distribution, b: Distribution): BehaviourComparison['layers'][number]['norm'] {
  const distance = wassersteinDistance(a.histogram, b.histogram);
  return { a, b, ...(distance === undefined ? {} : { distance }) };
}
