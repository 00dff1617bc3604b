import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from '../engine/backend/backend.js';
import type { DawnBackend } from '../engine/backend/dawnBackend.js';
import { probeWebgpu } from '../engine/backend/webgpu.js';
import { type DecoupledConv2dOptions, decoupledConv2d } from '../engine/operator/decoupledConv2d.js';
import { spreadOf } from './measure.js';
import type { BenchOptions, Figure } from './parts.js';

/** What a decoupled convolution sends to the GPU beside a plain one of the same shape on the same backend. */
export interface TrafficRatio {
  /** Pass and layer. */
  readonly what: string;
  readonly radius: keyof typeof radii;
  readonly dispatches: number;
  readonly plainDispatches: number;
  /** Bytes read and written, divided by the plain convolution's. */
  readonly bytes: number;
}

type Shape = readonly [batch: number, side: number, channels: number, filters: number];

interface Layer extends Pick<DecoupledConv2dOptions, 'magnitude' | 'angular' | 'stride' | 'padding'> {
  readonly shape: Shape;
}

const usual = { magnitude: 'tanh', angular: 'cosine', stride: 1, padding: 'same' } as const;

/** The widths of a network, then other operators and windows. */
const layers: readonly Layer[] = [
  { ...usual, shape: [2, 32, 3, 32] },
  { ...usual, shape: [2, 16, 32, 32] },
  { ...usual, shape: [4, 8, 64, 64] },
  { ...usual, shape: [8, 4, 128, 128] },
  { ...usual, stride: 2, shape: [2, 16, 32, 64] },
  { ...usual, magnitude: 'seg', angular: 'sigmoid', shape: [2, 16, 32, 32] },
  {
    ...usual,
    magnitude: 'ball',
    angular: 'square-cosine',
    stride: 2,
    padding: 'valid',
    shape: [2, 17, 32, 64],
  },
];
const quickLayers: readonly Layer[] = [
  { ...usual, shape: [2, 32, 3, 32] },
  { ...usual, magnitude: 'seg', angular: 'sigmoid', stride: 2, shape: [2, 16, 16, 32] },
];

const trainingPasses = ['forward', 'backward'] as const;
const allPasses = ['inference', ...trainingPasses] as const;
type Pass = (typeof allPasses)[number];

/** R as it is, and ρ·E‖x‖, for which a training step needs the mean of all norms before the convolution. */
const radii = {
  'fixed R': (rho: tf.Tensor1D) => rho,
  'adaptive R': (rho: tf.Tensor1D) => ({ rho, onMean: () => {} }),
};
const radiusNames = ['fixed R', 'adaptive R'] as const;

/**
 * Of layers with a ρ for each filter: the training's forward pass and its backward pass, and inference, which has R as
 * it is. On the webgpu backend, which is in use.
 * @param quick two of the layers only
 */
export function compareTraffic(quick: boolean): readonly TrafficRatio[] {
  const ratios: TrafficRatio[] = [];
  for (const layer of quick ? quickLayers : layers) tf.tidy(() => void ratios.push(...ratiosOf(layer)));
  return ratios;
}

function ratiosOf({ shape, ...options }: Layer): readonly TrafficRatio[] {
  const [batch, side, channels, filters] = shape;
  const { magnitude, angular, stride, padding } = options;
  const x = tf.ones<tf.Rank.R4>([batch, side, side, channels]);
  const w = tf.ones<tf.Rank.R4>([3, 3, channels, filters]);
  const [rho, k] = [tf.ones<tf.Rank.R1>([filters]), tf.ones<tf.Rank.R1>([filters])];
  const plain = countOf([x, w], (image, weights) =>
    tf.conv2d(image as tf.Tensor4D, weights as tf.Tensor4D, stride, padding),
  );
  const inputs = angular === 'sigmoid' ? [x, w, rho, k] : [x, w, rho];
  return radiusNames.flatMap((name) => {
    const decoupled = countOf(inputs, (image, weights, givenRho, givenK) =>
      decoupledConv2d(image as tf.Tensor4D, weights as tf.Tensor4D, {
        ...{ ...options, alpha: 1, beta: 0.5 },
        radius: radii[name](givenRho as tf.Tensor1D),
        k: givenK as tf.Tensor1D | undefined,
      }),
    );
    const passes = name === 'fixed R' ? allPasses : trainingPasses;
    const window = `${batch}×${side}×${side}×${channels} to ${filters}, stride ${stride}, ${padding}`;
    return passes.map((pass) => ({
      what: `${pass}, ${magnitude} · ${angular}, ${window}`,
      radius: name,
      dispatches: decoupled[pass].dispatches,
      plainDispatches: plain[pass].dispatches,
      bytes: decoupled[pass].bytes / plain[pass].bytes,
    }));
  });
}

/**
 * Dispatches and bytes on WebGPU, also on a simulated GPU, for they are no times; nothing where others were asked for.
 * @param quick as in {@link compareTraffic}
 */
export async function* traffic(
  { backends, onMissing }: Pick<BenchOptions, 'backends' | 'onMissing'>,
  quick = false,
): AsyncGenerator<Figure> {
  if (backends !== undefined && !backends.includes('webgpu')) return;
  const { available, reason } = await probeWebgpu();
  if (!available) {
    onMissing('traffic', reason);
    return;
  }
  await startBackend('webgpu');
  for (const { what, radius, dispatches, plainDispatches, bytes } of compareTraffic(quick)) {
    const figure = (part: string, of: string, value: number, unit: string): Figure => ({
      what: ['traffic', what, part],
      on: `webgpu, ${of}`,
      value: spreadOf([value]),
      unit,
    });
    if (radius === 'fixed R') yield figure('kernels', 'plain', plainDispatches, 'dispatches');
    yield figure('kernels', radius, dispatches, 'dispatches');
    yield figure('bytes of plain', radius, bytes, '×');
  }
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
