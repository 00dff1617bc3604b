import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { throwIfCancelled } from '../cancelled.js';
import type { DataSet } from '../data/dataSet.js';
import { imageTensor, inOrder } from '../data/images.js';
import type { DcnetModel } from '../model/model.js';
import { argMax } from '../training/evaluate.js';
import { type FactorLayer, type Factors, factorsOf } from './factors.js';

/** The layers that are looked at: those with filters, the score layer apart. */
export interface LookedAt {
  readonly hidden: readonly FactorLayer[];
  readonly score: FactorLayer;
}

/** What a network makes of every image of a split. */
export interface SplitReading {
  readonly predicted: Uint32Array;
  /** [N, classes]. */
  readonly logits: Float32Array;
  /** ⟨x, w_c⟩ / (‖x‖‖w_c‖) of the penultimate features with each class's weights, without ε: [N, classes]. */
  readonly cosines: Float32Array;
  /** ‖x‖ of the penultimate features [N]. */
  readonly featureNorms: Float32Array;
  /** Mean h and mean |g| of each hidden layer over positions and filters: [hidden layer][N]. */
  readonly meanH: readonly Float32Array[];
  readonly meanG: readonly Float32Array[];
  /** Penultimate features of the images that were asked for. */
  readonly features: ReadonlyMap<number, Float32Array>;
}

export interface PassOptions {
  readonly batch: number;
  readonly signal: AbortSignal | undefined;
  /** Images done. */
  readonly onProgress: (done: number) => void;
}

/**
 * Run a split through the network, once.
 * @param keep whose penultimate features to keep: errors always, and others by position
 * @throws DcnetError `cancelled`
 */
export async function readSplit(
  model: DcnetModel,
  data: DataSet,
  splitName: 'train' | 'test',
  { hidden, score }: LookedAt,
  keep: (index: number) => boolean,
  { batch, signal, onProgress }: PassOptions,
): Promise<SplitReading> {
  const split = data[splitName];
  const { shape, classes } = data.info;
  const layers = new Map(hidden.map((layer, i) => [layer.name, i]));
  const units = unitWeights(model, score);
  const reading = {
    predicted: new Uint32Array(split.count),
    logits: new Float32Array(split.count * classes),
    cosines: new Float32Array(split.count * classes),
    featureNorms: new Float32Array(split.count),
    meanH: hidden.map(() => new Float32Array(split.count)),
    meanG: hidden.map(() => new Float32Array(split.count)),
    features: new Map<number, Float32Array>(),
  };
  try {
    for (const indices of inOrder(split, batch)) {
      throwIfCancelled(signal);
      const from = indices[0]!;
      let features = new Float32Array();
      tf.tidy(() => {
        const logits = model.walk(
          imageTensor(split.images, shape, indices, model.normalization),
          (layer, input) => {
            if (layer.name === score.name) {
              features = input.dataSync<'float32'>().slice();
              const norms = tf.norm(input, 2, 1, true); // [N, 1]
              reading.featureNorms.set(norms.dataSync<'float32'>(), from);
              const unit = tf.div(input, tf.maximum(norms, 1e-30));
              const cosines = tf.matMul(unit as tf.Tensor2D, units); // [N, classes]
              reading.cosines.set(cosines.dataSync<'float32'>(), from * classes);
            }
            const at = layers.get(layer.name);
            if (at === undefined) return;
            const factors = factorsOf(model, layer as FactorLayer, input);
            const { h, g } = factorMeans(factors);
            reading.meanH[at]!.set(h, from);
            reading.meanG[at]!.set(g, from);
          },
        );
        reading.logits.set(logits.dataSync<'float32'>(), from * classes);
      });
      const width = features.length / indices.length;
      for (const [i, index] of indices.entries()) {
        const row = reading.logits.subarray(index * classes, (index + 1) * classes);
        reading.predicted[index] = argMax(row);
        if (reading.predicted[index] !== split.labels[index] || keep(index))
          reading.features.set(index, features.slice(i * width, (i + 1) * width));
      }
      onProgress(from + indices.length);
      await setImmediate();
    }
  } finally {
    units.dispose();
  }
  return reading;
}

/** Mean h and mean |g| of each image over positions and filters. The caller is inside a `tidy`. */
export function factorMeans({ h, g }: Factors): { readonly h: Float32Array; readonly g: Float32Array } {
  const mean = (values: tf.Tensor): Float32Array =>
    tf.mean(tf.reshape(values, [values.shape[0]!, -1]), 1).dataSync<'float32'>();
  return { h: mean(h), g: mean(tf.abs(g)) };
}

/** Weights of each class at length 1, without ε: [features, classes]. The caller disposes it. */
function unitWeights(model: DcnetModel, score: FactorLayer): tf.Tensor2D {
  const kernel = model.tensors.get(`${score.name}/kernel`);
  if (kernel === undefined) throw new Error(`${score.name} has no kernel.`);
  return tf.tidy(() => tf.div(kernel, tf.maximum(tf.norm(kernel, 2, 0, true), 1e-30)) as tf.Tensor2D);
}
