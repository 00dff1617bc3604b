import { isDeepStrictEqual } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import type { Normalization } from '../../core/config/normalizationSchema.js';
import type { Attacked } from './objective.js';

/** A network that takes images as another one does, of other mean and scale. */
export function renormalised(model: Attacked, as: Normalization): Attacked {
  const own = model.normalization;
  if (isDeepStrictEqual(own, as)) return model;
  const factor = as.scale.map((scale, channel) => scale / own.scale[channel]!);
  const shift = as.mean.map((mean, channel) => (mean - own.mean[channel]!) / own.scale[channel]!);
  return {
    normalization: as,
    predict: (x) => tf.tidy(() => model.predict(tf.add(tf.mul(x, factor), shift))),
  };
}
