import * as tf from '@tensorflow/tfjs-core';
import type { DcnetModel, EarlierResponses } from '../model/model.js';
import { type FactorLayer, type Factors, factorsOf } from './factors.js';

/** What two transplants at one layer make of a batch of images. */
export interface Transplants {
  readonly layer: FactorLayer;
  /** With the donors' magnitudes and the images' own angles: logits [N, classes], row-major. */
  readonly norm: Float32Array;
  /** With the donors' angles and the images' own magnitudes. */
  readonly angle: Float32Array;
}

/**
 * Exchange one factor of each layer with that of a donor, and run on from there. Magnitudes go over patch by patch in
 * order of ‖x‖: a patch gets the magnitude of the donor's patch of the same rank. So where an image is strong stays
 * its own, or the places would tell the donor's shape. What residual connections carry past the layer is the image's.
 * @param images [N, H, W, C]
 * @param donors [N, H, W, C], one for each image
 * @param layers those that get transplants
 * @param onFactors gets the factors of images and donors, [2N, ...], which live for the length of the call
 */
export function transplant(
  model: DcnetModel,
  images: tf.Tensor4D,
  donors: tf.Tensor4D,
  layers: ReadonlySet<string>,
  onFactors: (layer: FactorLayer, factors: Factors) => void = () => {},
): Transplants[] {
  const count = images.shape[0];
  const outcomes: Transplants[] = [];
  tf.tidy(() => {
    model.walk(tf.concat([images, donors]), (layer, input, _output, { earlier }) => {
      if ((layer.type !== 'conv' && layer.type !== 'dense') || !layers.has(layer.name)) return;
      const factors = factorsOf(model, layer, input);
      onFactors(layer, factors);
      const [hImage, hDonor] = tf.split(factors.h, 2) as [tf.Tensor, tf.Tensor];
      const [gImage, gDonor] = tf.split(factors.g, 2) as [tf.Tensor, tf.Tensor];
      const { toImage, toDonor } = rankPairs(factors.norms.dataSync<'float32'>(), count);
      const raw = tf.concat([tf.mul(pick(hDonor, toImage), gImage), tf.mul(pick(hImage, toDonor), gDonor)]);
      const logits = model.runOn(layer.name, raw, ofImages(earlier)).dataSync<'float32'>();
      const half = logits.length / 2;
      outcomes.push({ layer, norm: logits.slice(0, half), angle: logits.slice(half) });
    });
  });
  return outcomes;
}

/**
 * What residual connections carry past a transplant: both of an image's are its own, and nothing of the donor's.
 * @param earlier of N images and their N donors, [2N, ...]
 */
function ofImages(earlier: EarlierResponses): EarlierResponses {
  return new Map(
    [...earlier].map(([name, responses]) => {
      const [image] = tf.split(responses, 2) as [tf.Tensor, tf.Tensor];
      return [name, tf.concat([image, image])];
    }),
  );
}

/**
 * For every patch of an image the donor's patch of the same rank by ‖x‖, and the other way round; equal norms are
 * ranked by place.
 * @param norms of N images and their N donors, [2N, patches]
 * @returns positions in [N · patches]
 */
function rankPairs(
  norms: Float32Array,
  count: number,
): { readonly toImage: Int32Array; readonly toDonor: Int32Array } {
  const patches = norms.length / (2 * count);
  const toImage = new Int32Array(count * patches);
  const toDonor = new Int32Array(count * patches);
  const ranked = (at: number): Uint32Array => {
    const own = norms.subarray(at * patches, (at + 1) * patches);
    return Uint32Array.from(own, (_, i) => i).sort((a, b) => own[a]! - own[b]! || a - b);
  };
  for (let i = 0; i < count; i++) {
    const [image, donor] = [ranked(i), ranked(count + i)];
    for (let rank = 0; rank < patches; rank++) {
      toImage[i * patches + image[rank]!] = i * patches + donor[rank]!;
      toDonor[i * patches + donor[rank]!] = i * patches + image[rank]!;
    }
  }
  return { toImage, toDonor };
}

/** The rows of a tensor [N, ..., C], read as [N · patches, C], in another order. */
function pick(values: tf.Tensor, rows: Int32Array): tf.Tensor {
  const flat = tf.reshape(values, [rows.length, -1]);
  return tf.reshape(tf.gather(flat, tf.tensor1d(rows, 'int32')), values.shape);
}
