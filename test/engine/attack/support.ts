import * as tf from '@tensorflow/tfjs-core';
import type { AttackOptions } from '../../../src/core/attack/attack.js';
import { type Normalization, resolveNormalization } from '../../../src/core/config/normalizationSchema.js';
import { type AttackBatch, attackImages } from '../../../src/engine/attack/attack.js';
import { pixelScale } from '../../../src/engine/attack/pixelScale.js';
import { imageTensor } from '../../../src/engine/data/images.js';
import { buildModel, type DcnetModel } from '../../../src/engine/model/model.js';
import { networkOf } from '../model/sampleNetwork.js';
import { randomValues } from '../tensors.js';

export type Shape = readonly [number, number, number];

/** A network with random weights, which the caller disposes. */
export function modelOf(layers: readonly object[], shape: Shape, seed = 1, classes = 4): DcnetModel {
  return buildModel(networkOf(layers, {}, shape, classes), { seed, averageDecay: 0.9 });
}

/** The reference's input, (v − 127.5)/128. */
export const usualNormalization = (channels: number): Normalization =>
  resolveNormalization({ mean: 127.5, scale: 128 }, channels);

/** Images of random bytes with labels 0, 1, 2, … */
export function randomBatch(
  count: number,
  shape: Shape,
  seed: number,
  classes = 4,
  normalization = usualNormalization(shape[2]),
): AttackBatch {
  const size = shape[0] * shape[1] * shape[2];
  const bytes = Uint8Array.from(randomValues(seed, count * size, 0, 256));
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const labels = Int32Array.from(order, (i) => i % classes);
  return {
    x: imageTensor(bytes, shape, order, normalization),
    goal: { kind: 'away', labels: tf.tensor1d(labels, 'int32') },
    keys: order,
  };
}

export function disposeBatch({ x, goal }: AttackBatch): void {
  tf.dispose([x, goal.kind === 'away' ? goal.labels : goal.targets]);
}

export const usual: AttackOptions = {
  attack: 'bim',
  norm: 'linf',
  epsilon: 8,
  steps: 5,
  restarts: 1,
  seed: 1,
};

/** The values of an attack's images, and what it made large before each step. */
export async function attacked(
  model: Pick<DcnetModel, 'predict' | 'normalization'>,
  batch: AttackBatch,
  options: Partial<AttackOptions> = {},
  signal?: AbortSignal,
): Promise<{ values: Float32Array; objectives: readonly number[] }> {
  const scale = pixelScale(model.normalization);
  const { adversarial, objectives } = await attackImages(
    model,
    batch,
    { ...usual, ...options },
    scale,
    signal,
  );
  const values = adversarial.dataSync<'float32'>().slice();
  adversarial.dispose();
  return { values, objectives };
}
