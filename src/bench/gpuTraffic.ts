import * as tf from '@tensorflow/tfjs-core';
import type { DawnBackend } from '../engine/backend/dawnBackend.js';
import { decoupledConv2d } from '../engine/operator/decoupledConv2d.js';

/** What a decoupled convolution sends to the GPU beside a plain one of the same shape on the same backend. */
export interface TrafficRatio {
  readonly what: string;
  readonly dispatches: number;
  readonly plainDispatches: number;
  /** Bytes read and written, divided by the plain convolution's. */
  readonly bytes: number;
}

const shapes = [
  [2, 32, 3, 32],
  [2, 16, 32, 32],
  [4, 8, 64, 64],
  [8, 4, 128, 128],
] as const;

const trainingPasses = ['forward', 'backward'] as const;
const allPasses = ['inference', ...trainingPasses] as const;
type Pass = (typeof allPasses)[number];

/** R as it is, and ρ·E‖x‖, for which a training step needs all norms before the convolution. */
const radii = {
  'fixed R': (rho: tf.Tensor1D) => rho,
  'adaptive R': (rho: tf.Tensor1D) => (norms: tf.Tensor4D) => tf.mul<tf.Tensor1D>(rho, tf.mean(norms)),
};

/**
 * Of tanh × cosine with a ρ for each filter: the training's forward pass and its backward pass, and inference, which
 * has R as it is.
 * @param quick the first shape only
 */
export function compareTraffic(quick: boolean): readonly TrafficRatio[] {
  return (quick ? shapes.slice(0, 1) : shapes).flatMap(([batch, side, channels, filters]) =>
    tf.tidy(() => {
      const x = tf.ones<tf.Rank.R4>([batch, side, side, channels]);
      const w = tf.ones<tf.Rank.R4>([3, 3, channels, filters]);
      const rho = tf.ones<tf.Rank.R1>([filters]);
      const plain = countOf([x, w], (image, weights) =>
        tf.conv2d(image as tf.Tensor4D, weights as tf.Tensor4D, 1, 'same'),
      );
      return Object.entries(radii).flatMap(([name, radius]) => {
        const decoupled = countOf([x, w, rho], (image, weights, given) =>
          decoupledConv2d(image as tf.Tensor4D, weights as tf.Tensor4D, {
            ...({
              magnitude: 'tanh',
              angular: 'cosine',
              alpha: 1,
              beta: 1,
              stride: 1,
              padding: 'same',
            } as const),
            radius: radius(given as tf.Tensor1D),
          }),
        );
        const passes = name === 'fixed R' ? allPasses : trainingPasses;
        return passes.map((pass) => ({
          what: `${pass}, ${name}, ${batch}×${side}×${side}×${channels} to ${filters}`,
          dispatches: decoupled[pass].dispatches,
          plainDispatches: plain[pass].dispatches,
          bytes: decoupled[pass].bytes / plain[pass].bytes,
        }));
      });
    }),
  );
}

interface Count {
  readonly dispatches: number;
  readonly bytes: number;
}

function countOf(
  inputs: tf.Tensor[],
  layer: (...given: tf.Tensor[]) => tf.Tensor,
): Readonly<Record<Pass, Count>> {
  const { traffic } = tf.backend() as DawnBackend;
  const taken = (): Count => {
    const { dispatches, readBytes, writtenBytes } = traffic.take();
    return { dispatches, bytes: readBytes + writtenBytes };
  };
  const dy = tf.onesLike(layer(...inputs));
  taken();
  layer(...inputs);
  const inference = taken();
  let forward = inference;
  tf.grads((...given) => {
    const y = layer(...given);
    forward = taken();
    return y;
  })(inputs, dy);
  return { inference, forward, backward: taken() };
}
