import * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../../core/config/network.js';
import { DcnetError } from '../../core/errors.js';
import type { ImageMaps } from '../../protocol/engine.js';
import type { DataSet } from '../data/dataSet.js';
import { dataImage, imageTensor } from '../data/images.js';
import type { DcnetModel } from '../model/model.js';
import { filtersOf } from './filterGeometry.js';
import { inputNorms, type MeasuredLayer, projectionFactors } from './layerMeasure.js';

const degreesPerRadian = 180 / Math.PI;

/** A layer with filters, by name. @throws DcnetError `usage` */
export function measuredLayer(network: Network, name: string): MeasuredLayer {
  const layer = network.layers.find((candidate) => candidate.name === name);
  if (layer?.type === 'conv' || layer?.type === 'dense') return layer;
  throw new DcnetError({
    code: 'usage',
    message: `The network has no layer ${name} with filters.`,
    remedy: 'Choose one of its conv or dense layers.',
    field: name,
  });
}

/**
 * ‖x‖, θ and the response of one filter over one image: where the input is strong, where it matches, and what comes of
 * it. Norms and angles are without ε; a patch of zeros has the angle 90°.
 * @throws DcnetError `usage` for a layer, filter or image that there is not
 */
export function imageMaps(
  model: DcnetModel,
  network: Network,
  data: DataSet,
  split: 'train' | 'test',
  { index, layer: name, filter }: { readonly index: number; readonly layer: string; readonly filter: number },
): ImageMaps {
  const layer = measuredLayer(network, name);
  const filters = filtersOf(model, name);
  const { shape, classNames } = data.info;
  if (index >= data[split].count || filter >= filters.count)
    throw new DcnetError({
      code: 'usage',
      message:
        filter >= filters.count
          ? `${name} has ${filters.count} filters, and none with number ${filter}.`
          : `The ${split} split has ${data[split].count} images, and none with number ${index}.`,
      remedy: 'Choose a smaller number; counting begins at 0.',
    });
  const [height, width] = layer.outputShape.length === 3 ? layer.outputShape : [1, 1];
  const factor = projectionFactors(layer, filters)[filter]!;
  const channel = (values: Float32Array): number[] =>
    Array.from({ length: height! * width! }, (_, at) => values[at * filters.count + filter]!);
  return tf.tidy(() => {
    let maps: Pick<ImageMaps, 'norm' | 'angle' | 'output' | 'response'> | undefined;
    const x = imageTensor(data[split].images, shape, [index], model.normalization);
    const scores = model.walk(x, (seen, input, output, inside) => {
      if (seen.name !== name) return;
      const norm = Array.from(inputNorms(layer, input).dataSync());
      const dots = channel(inside.projection.dataSync<'float32'>());
      maps = {
        norm,
        angle: dots.map((dot, at) => {
          const cosine = norm[at] === 0 ? 0 : (dot * factor) / norm[at]!;
          return Math.acos(Math.max(-1, Math.min(1, cosine))) * degreesPerRadian;
        }),
        output: channel(output.dataSync<'float32'>()),
        response: channel(inside.response.dataSync<'float32'>()),
      };
    });
    const predicted = tf.argMax(scores, 1).dataSync()[0]!;
    if (maps === undefined) throw new Error(`${name} was not passed.`);
    return {
      image: dataImage(data[split], shape, index),
      labelName: classNames[data[split].labels[index]!]!,
      predictedName: classNames[predicted]!,
      height: height!,
      width: width!,
      ...maps,
    };
  });
}
