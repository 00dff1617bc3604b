import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../../core/config/network.js';
import type { Inspection, LayerInspection } from '../../core/statistics/inspection.js';
import { groupOf, type LayerGroups } from '../../core/statistics/splits.js';
import type { WorkProgress } from '../../protocol/engine.js';
import { throwIfCancelled } from '../cancelled.js';
import type { DataSet } from '../data/dataSet.js';
import { imageTensor, inOrder } from '../data/images.js';
import type { Labels } from '../data/split.js';
import type { DcnetModel } from '../model/model.js';
import { argMax } from '../training/evaluate.js';
import { LayerMeasure } from './layerMeasure.js';

/** A batch's (patch, filter) pairs in the widest layer, and its images, are at most these. */
const mostPairs = 2 ** 21;
const mostImages = 100;

export interface InspectOptions {
  /** At most so many images from the split's start. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: WorkProgress) => void) | undefined;
}

export interface NetworkInspection {
  readonly sampleSize: number;
  readonly accuracy: number;
  readonly classes: Inspection['classes'];
  readonly layers: readonly LayerInspection[];
  /** The same by class and by right or wrong, in the order of `layers`. */
  readonly groups: readonly LayerGroups[];
  /** The class that the network gives each image. */
  readonly predictions: Labels;
}

/**
 * Norms and angles of every layer with filters over a split of the data, as at test time, in one pass.
 * @throws DcnetError `cancelled`, or `checkpoint` when a layer's values are not finite
 */
export async function inspectModel(
  model: DcnetModel,
  network: Network,
  data: DataSet,
  splitName: 'train' | 'test',
  { limit, signal, onProgress }: InspectOptions = {},
): Promise<NetworkInspection> {
  const split = data[splitName];
  const { shape, classNames } = data.info;
  const measures = new Map<string, LayerMeasure>();
  for (const layer of network.layers)
    if (layer.type === 'conv' || layer.type === 'dense')
      measures.set(layer.name, new LayerMeasure(layer, model, 2 * classNames.length));
  const widest = Math.max(1, ...[...measures.values()].map(({ pairsAnImage }) => pairsAnImage));
  const batch = Math.max(1, Math.min(mostImages, Math.floor(mostPairs / widest)));
  const sampleSize = Math.min(split.count, limit ?? split.count);
  const classes = classNames.map((name) => ({ name, images: 0, correct: 0 }));
  const predictions = new (classes.length > 256 ? Uint16Array : Uint8Array)(sampleSize);
  const progressed = (done: number): void =>
    onProgress?.({ activity: 'Measuring norms and angles', done, total: sampleSize });

  try {
    let done = 0;
    for (const indices of inOrder(split, batch, sampleSize)) {
      throwIfCancelled(signal);
      progressed(done);
      const x = imageTensor(split.images, shape, indices, model.normalization);
      const scores = model.walk(x, (layer, input, _output, inside) =>
        measures.get(layer.name)?.see(input, inside),
      );
      const logits = scores.dataSync<'float32'>();
      tf.dispose([x, scores]);
      const groups = new Map<number, number[]>();
      for (const [i, image] of indices.entries()) {
        const label = split.labels[image]!;
        const predicted = argMax(logits.subarray(i * classes.length, (i + 1) * classes.length));
        const isRight = predicted === label;
        predictions[image] = predicted;
        classes[label]!.images++;
        if (isRight) classes[label]!.correct++;
        const group = groupOf(label, isRight);
        groups.set(group, [...(groups.get(group) ?? []), i]);
      }
      for (const measure of measures.values()) measure.count(groups);
      done += indices.length;
      await setImmediate();
    }
    progressed(done);
    const results = [...measures.values()].map((measure) => measure.result());
    const correct = classes.reduce((sum, of) => sum + of.correct, 0);
    return {
      sampleSize,
      accuracy: correct / sampleSize,
      classes,
      layers: results.map(({ layer }) => layer),
      groups: results.map(({ groups }) => groups),
      predictions,
    };
  } finally {
    for (const measure of measures.values()) measure.dispose();
  }
}
