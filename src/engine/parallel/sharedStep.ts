import type * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../../core/config/network.js';
import type { DcnetModel } from '../model/model.js';
import type { RendezvousMemory } from './rendezvous.js';

/** What a worker is started with. */
export interface WorkerSetup {
  /** From 0. */
  readonly worker: number;
  readonly network: Network;
  readonly seed: number;
  readonly averageDecay: number;
  readonly labelSmoothing: number;
  readonly rendezvous: RendezvousMemory;
  /** All tensors of the model, one after another in its order; the first worker writes the running averages back. */
  readonly weights: Float32Array;
  /** Of this worker's share: loss, images classified rightly, then the gradients of the trained weights in their order. */
  readonly results: Float32Array;
}

/** One share of a batch. */
export interface Share {
  /** [N, H, W, C], 0 to 255. */
  readonly images: Uint8Array;
  /** [N]. */
  readonly labels: Uint8Array;
  /** N over the batch's images. */
  readonly part: number;
}

export type Answer =
  | { readonly type: 'ready' | 'done' }
  | { readonly type: 'failed'; readonly message: string };

/** Copy tensors' values to `to`, one after another. */
export function gather(tensors: Iterable<tf.Tensor>, to: Float32Array): void {
  let at = 0;
  for (const tensor of tensors) {
    to.set(tensor.dataSync<'float32'>(), at);
    at += tensor.size;
  }
}

/** Where each tensor of a model lies in the shared weights. */
export function placesOf(
  model: DcnetModel,
): readonly { readonly variable: tf.Variable; readonly from: number; readonly to: number }[] {
  let at = 0;
  return [...model.tensors.values()].map((variable) => {
    const from = at;
    at += variable.size;
    return { variable, from, to: at };
  });
}
