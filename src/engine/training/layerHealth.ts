import * as tf from '@tensorflow/tfjs-core';
import { hypersphericalEnergy } from '../../core/statistics/filterAngles.js';
import { cosinesBetween, filtersOf } from '../inspection/filterGeometry.js';
import { inputNorms } from '../inspection/layerMeasure.js';
import type { DcnetModel } from '../model/model.js';

/** How a decoupled layer stands, as the metrics log keeps it. */
export interface LayerHealth {
  readonly name: string;
  /** E‖x‖ over the patches of one batch, without ε. */
  readonly meanPatchNorm: number;
  /** Mean over the filters of the radius in use at test time; absent where the operator has none. */
  readonly radius?: number;
  /** Hyperspherical energy of the filters (s = 2, without ε), as in an inspection; absent for a single filter. */
  readonly energy?: number;
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
      if ((layer.type !== 'conv' && layer.type !== 'dense') || !measured.has(layer.name)) return;
      const mean = tf.mean(inputNorms(layer, input)).dataSync()[0]!;
      norms.set(layer.name, mean);
    })
    .dispose();
  return model.decoupled.map((decoupled) => {
    const radius = decoupled.radius();
    const { name } = decoupled.layer;
    const filters = filtersOf(model, name);
    const energy = hypersphericalEnergy(cosinesBetween(filters), filters.count);
    const health = {
      name,
      meanPatchNorm: norms.get(name) ?? 0,
      ...(energy === undefined ? {} : { energy }),
    };
    if (radius.length === 0) return health;
    return { ...health, radius: radius.reduce((a, b) => a + b, 0) / radius.length };
  });
}
