import * as tf from '@tensorflow/tfjs-core';
import type { DcnetModel } from '../model/model.js';
import { patchNorms } from '../operator/patchNorms.js';

/** How a decoupled layer stands, as the metrics log keeps it. */
export interface LayerHealth {
  readonly name: string;
  /** E‖x‖ over the patches of one batch, without ε. */
  readonly meanPatchNorm: number;
  /** Mean over the filters of the radius in use at test time; absent where the operator has none. */
  readonly radius?: number;
}

/**
 * Measure the decoupled layers on one batch, as at test time.
 * @param x [N, H, W, C], normalised
 */
export function measureLayers(model: DcnetModel, x: tf.Tensor4D): readonly LayerHealth[] {
  const norms = new Map<string, number>();
  const measured = new Set(model.decoupled.map(({ layer }) => layer.name));
  model
    .walk(x, (layer, input) => {
      if (layer.type !== 'conv' || !measured.has(layer.name)) return;
      const mean = tf.mean(patchNorms(input as tf.Tensor4D, layer, 0)).dataSync()[0]!;
      norms.set(layer.name, mean);
    })
    .dispose();
  return model.decoupled.map((decoupled) => {
    const radius = decoupled.radius();
    const health = { name: decoupled.layer.name, meanPatchNorm: norms.get(decoupled.layer.name) ?? 0 };
    if (radius.length === 0) return health;
    return { ...health, radius: radius.reduce((a, b) => a + b, 0) / radius.length };
  });
}
