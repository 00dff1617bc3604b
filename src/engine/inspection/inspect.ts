import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../../core/config/network.js';
import type { LayerInspection } from '../../core/statistics/inspection.js';
import type { WorkProgress } from '../../protocol/engine.js';
import type { DataSet } from '../data/dataSet.js';
import { imageTensor, inOrder } from '../data/images.js';
import type { DcnetModel } from '../model/model.js';
import { argMax, throwIfCancelled } from '../training/evaluate.js';
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
  readonly layers: readonly LayerInspection[];
}

/**
 * Norms and angles of every layer with filters over a split of the data, as at test time.
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
  const { shape, classes } = data.info;
  const measures = new Map<string, LayerMeasure>();
  for (const layer of network.layers)
    if (layer.type === 'conv' || layer.type === 'dense')
      measures.set(layer.name, new LayerMeasure(layer, model));
  const widest = Math.max(1, ...[...measures.values()].map(({ pairsAnImage }) => pairsAnImage));
  const batch = Math.max(1, Math.min(mostImages, Math.floor(mostPairs / widest)));
  const sampleSize = Math.min(split.count, limit ?? split.count);
  let done = 0;
  let correct = 0;

  try {
    for (const [activity, visit] of [
      ['Measuring norms', (measure: LayerMeasure, input: tf.Tensor) => measure.addRange(input)],
      ['Measuring angles', (measure: LayerMeasure, input: tf.Tensor) => measure.addCounts(input)],
    ] as const) {
      correct = 0;
      for (const indices of inOrder(split, batch, sampleSize)) {
        throwIfCancelled(signal);
        onProgress?.({ activity, done, total: 2 * sampleSize });
        const x = imageTensor(split.images, shape, indices);
        const scores = model.walk(x, (layer, input) => {
          const measure = measures.get(layer.name);
          if (measure !== undefined) visit(measure, input);
        });
        const logits = scores.dataSync();
        tf.dispose([x, scores]);
        for (const [i, image] of indices.entries())
          if (argMax(logits.subarray(i * classes, (i + 1) * classes)) === split.labels[image]) correct++;
        done += indices.length;
        await setImmediate();
      }
    }
    onProgress?.({ activity: 'Measuring angles', done, total: 2 * sampleSize });
    return {
      sampleSize,
      accuracy: correct / sampleSize,
      layers: [...measures.values()].map((measure) => measure.result()),
    };
  } finally {
    for (const measure of measures.values()) measure.dispose();
  }
}
