import * as tf from '@tensorflow/tfjs-core';
import type { FilterAngles } from '../../protocol/engine.js';
import { valuesOf } from '../backend/valuesOf.js';
import type { DcnetModel } from '../model/model.js';

/** The filters of one layer, flattened. */
export interface LayerFilters {
  readonly count: number;
  /** ‖w‖ without ε, [F]. */
  readonly norms: Float64Array;
  /** w/‖w‖, row-major [values of a filter, F]; a filter of zeros stays one. */
  readonly unit: Float32Array;
}

/** @param layer name of a layer with a kernel */
export function filtersOf(model: DcnetModel, layer: string): LayerFilters {
  const kernel = model.tensors.get(`${layer}/kernel`);
  if (kernel === undefined) throw new Error(`${layer} has no kernel.`);
  const count = kernel.shape.at(-1)!;
  const weights = kernel.dataSync();
  const squares = new Float64Array(count);
  for (let i = 0; i < weights.length; i++) squares[i % count]! += weights[i]! ** 2;
  const norms = squares.map(Math.sqrt);
  const unit = Float32Array.from(weights, (w, i) => {
    const norm = norms[i % count]!;
    return norm === 0 ? 0 : w / norm;
  });
  return { count, norms, unit };
}

/** cos of the angles between filters, within 1e-6; a filter of zeros is at right angles to all. @returns [F, F] row-major */
export function cosinesBetween({ unit, count }: LayerFilters): Float32Array {
  return valuesOf(() => {
    const filters = tf.tensor2d(unit, [unit.length / count, count]);
    return tf.matMul(filters, filters, true, false);
  });
}

/** Angles between all filters, as small as they can be sent. */
export function anglesBetween(filters: LayerFilters): FilterAngles {
  const { count } = filters;
  const cosines = cosinesBetween(filters);
  const bytes = Buffer.alloc(count * (count - 1));
  let at = 0;
  for (let i = 0; i < count; i++)
    for (let j = i + 1; j < count; j++) {
      const angle = Math.acos(Math.max(-1, Math.min(1, cosines[i * count + j]!))) / Math.PI;
      at = bytes.writeUInt16LE(Math.round(angle * 65535), at);
    }
  return { filters: count, angles: bytes.toString('base64') };
}
