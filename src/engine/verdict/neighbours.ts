import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { throwIfCancelled } from '../cancelled.js';
import type { DataSet } from '../data/dataSet.js';
import { imageTensor, inOrder } from '../data/images.js';
import type { DcnetModel } from '../model/model.js';
import { argMax } from '../training/evaluate.js';
import type { PassOptions } from './readSplit.js';

export interface Neighbour {
  /** Position in the training split. */
  readonly index: number;
  readonly label: number;
  /** Angle between the penultimate features. */
  readonly degrees: number;
}

export interface Neighbours {
  /** Nearest first. */
  readonly nearest: readonly Neighbour[];
  /** The nearest of the image's own class that the network classifies rightly. */
  readonly donor: Neighbour | undefined;
}

export interface Sought {
  readonly label: number;
  /** Penultimate features. */
  readonly features: Float32Array;
}

const kept = 5;

/**
 * For each image the nearest training images by the angle between penultimate features, in one pass over the training
 * split whose memory does not grow with it. Of equal angles the earlier image is nearer.
 * @throws DcnetError `cancelled`
 */
export async function findNeighbours(
  model: DcnetModel,
  data: DataSet,
  scoreLayer: string,
  sought: readonly Sought[],
  { batch, signal, onProgress }: PassOptions,
): Promise<Neighbours[]> {
  if (sought.length === 0) return [];
  const { train, info } = data;
  const width = sought[0]!.features.length;
  const wanted = tf.tidy(() => {
    const all = new Float32Array(sought.length * width);
    for (const [i, { features }] of sought.entries()) all.set(features, i * width);
    return unitRows(tf.tensor2d(all, [sought.length, width])); // [E, features]
  });
  const best = sought.map(() => ({ nearest: [] as Neighbour[], donor: undefined as Neighbour | undefined }));
  try {
    for (const indices of inOrder(train, batch)) {
      throwIfCancelled(signal);
      const [logits, cosines] = tf.tidy(() => {
        let cosines = new Float32Array();
        const scores = model.walk(
          imageTensor(train.images, info.shape, indices, model.normalization),
          (layer, input) => {
            if (layer.name !== scoreLayer) return;
            const unit = unitRows(input as tf.Tensor2D); // [N, features]
            cosines = tf.matMul(wanted, unit, false, true).dataSync<'float32'>().slice(); // [E, N]
          },
        );
        return [scores.dataSync<'float32'>(), cosines] as const;
      });
      for (const [i, index] of indices.entries()) {
        const label = train.labels[index]!;
        const isRight = argMax(logits.subarray(i * info.classes, (i + 1) * info.classes)) === label;
        for (const [e, found] of best.entries()) {
          const degrees = degreesBetween(cosines[e * indices.length + i]!);
          const neighbour = { index, label, degrees };
          const last = found.nearest.at(-1);
          if (found.nearest.length < kept || degrees < last!.degrees) insert(found.nearest, neighbour);
          if (isRight && label === sought[e]!.label && degrees < (found.donor?.degrees ?? 361))
            found.donor = neighbour;
        }
      }
      onProgress(indices.at(-1)! + 1);
      await setImmediate();
    }
  } finally {
    wanted.dispose();
  }
  return best;
}

/** Put a neighbour in its place; the farthest goes when there are too many. */
function insert(nearest: Neighbour[], neighbour: Neighbour): void {
  const at = nearest.findIndex(({ degrees }) => degrees > neighbour.degrees);
  nearest.splice(at < 0 ? nearest.length : at, 0, neighbour);
  if (nearest.length > kept) nearest.pop();
}

function unitRows(rows: tf.Tensor2D): tf.Tensor2D {
  return tf.div(rows, tf.maximum(tf.norm(rows, 2, 1, true), 1e-30));
}

function degreesBetween(cosine: number): number {
  return (Math.acos(Math.max(-1, Math.min(1, cosine))) * 180) / Math.PI;
}
