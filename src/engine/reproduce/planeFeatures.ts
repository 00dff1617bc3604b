import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../../core/config/network.js';
import { DcnetError } from '../../core/errors.js';
import type { PlaneFeatures } from '../../core/reproduce/features.js';
import { throwIfCancelled } from '../cancelled.js';
import type { DataSet } from '../data/dataSet.js';
import { imageTensor, inOrder } from '../data/images.js';
import { batchSize } from '../model/batchSize.js';
import type { DcnetModel } from '../model/model.js';

/**
 * What the score layer sees of each test image, for a network in which that has two components (Decoupled Networks,
 * figure 1).
 * @param limit at most so many images from the start
 * @throws DcnetError `usage` when the features have another number of components; `cancelled`
 */
export async function planeFeatures(
  { model, network, data }: { readonly model: DcnetModel; readonly network: Network; readonly data: DataSet },
  limit: number,
  signal?: AbortSignal,
): Promise<PlaneFeatures> {
  const score = network.layers.at(-1)!;
  const components = score.inputShape.at(-1);
  if (components !== 2 || score.inputShape.length !== 1)
    throw new DcnetError({
      code: 'usage',
      message: `The features before ${score.name} have ${components} components, but a plane has two.`,
      remedy: 'Use a network whose last hidden layer has two units, such as the preset mnist-2d.',
    });
  const { shape, classNames } = data.info;
  const [x, y, labels]: [number[], number[], number[]] = [[], [], []];
  for (const indices of inOrder(data.test, batchSize(network), limit)) {
    throwIfCancelled(signal);
    const images = imageTensor(data.test.images, shape, indices, network.normalization);
    let values = new Float32Array();
    const scores = model.walk(images, (layer, input) => {
      if (layer.name === score.name) values = input.dataSync<'float32'>() as Float32Array<ArrayBuffer>; // [N, 2]
    });
    tf.dispose([images, scores]);
    for (const [i, index] of indices.entries()) {
      x.push(values[2 * i]!);
      y.push(values[2 * i + 1]!);
      labels.push(data.test.labels[index]!);
    }
    await setImmediate();
  }
  return { classNames: [...classNames], labels, x, y };
}
