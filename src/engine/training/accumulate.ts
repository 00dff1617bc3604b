import * as tf from '@tensorflow/tfjs-core';
import type { DcnetModel } from '../model/model.js';
import { type PassOptions, type PassResult, pass } from './step.js';

/**
 * As {@link pass}, with the batch in parts one after another, so that only one part's activations are in memory at a
 * time. Loss and gradients are means over the whole batch: Σ nᵢ/N·gᵢ. What a layer takes from its batch it takes from
 * the part: batch normalisation's statistics and the adaptive radius' mean patch norm. Without those layers the
 * gradients are the whole batch's, to rounding.
 * @param x [N, H, W, C], normalised
 * @param labels [N], int32
 * @param parts from 1; more than N are N
 */
export function accumulate(
  model: DcnetModel,
  x: tf.Tensor4D,
  labels: tf.Tensor1D,
  classes: number,
  options: PassOptions,
  parts: number,
): PassResult {
  if (parts === 1) return pass(model, x, labels, classes, options);
  const [images] = x.shape;
  const used = Math.min(parts, images);
  return tf.tidy(() => {
    let sum: readonly tf.Tensor[] | undefined;
    for (let part = 0; part < used; part++) {
      const [from, to] = [part, part + 1].map((at) => Math.floor((at * images) / used)) as [number, number];
      const before = sum;
      sum = tf.tidy(() => {
        const xPart = tf.slice(x, from, to - from); // [n, H, W, C]
        const { outcome, gradients } = pass(
          model,
          xPart,
          tf.slice(labels, from, to - from),
          classes,
          options,
        );
        const share = (to - from) / images;
        // The loss is a mean over the part, the images classified rightly are a number.
        const weighted = [
          tf.mul(outcome, tf.tensor1d([share, 1])),
          ...gradients.map((gradient) => tf.mul(gradient, share)),
        ];
        return before === undefined ? weighted : weighted.map((tensor, i) => tf.add(tensor, before[i]!));
      });
      tf.dispose(before as tf.Tensor[] | undefined);
    }
    const [outcome, ...gradients] = sum!;
    return { outcome: outcome as tf.Tensor1D, gradients };
  });
}
