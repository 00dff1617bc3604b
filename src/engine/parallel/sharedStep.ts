import type * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../../core/config/network.js';
import type { AdversarialConfig } from '../../core/config/trainingSchema.js';
import type { Labels } from '../data/split.js';
import type { DcnetModel } from '../model/model.js';
import type { PassOptions } from '../training/step.js';
import type { RendezvousMemory } from './rendezvous.js';

/** What a worker is started with. */
export interface WorkerSetup {
  /** From 0. */
  readonly worker: number;
  readonly network: Network;
  readonly seed: number;
  readonly averageDecay: number;
  readonly adversarial: AdversarialConfig | undefined;
  readonly pass: PassOptions;
  readonly rendezvous: RendezvousMemory;
  /** All tensors of the model, one after another in its order; the first worker writes the running averages back. */
  readonly weights: Float32Array;
  /** Of this worker's share: loss, images classified rightly, then the gradients of the trained weights in their order. */
  readonly results: Float32Array;
}

/** Images of a batch, by their positions in it. */
export interface Piece {
  readonly from: number;
  /** Behind the last. */
  readonly to: number;
}

/** One share of a batch. */
export interface Share {
  /** [N, H, W, C], 0 to 255: piece after piece. */
  readonly images: Uint8Array;
  /** [N]. */
  readonly labels: Labels;
  /** What is computed one after another: of each part of the batch, some images. */
  readonly pieces: readonly Piece[];
  /** Images of the whole batch. */
  readonly batch: number;
  /** Finished steps of the training. */
  readonly step: number;
}

/** What a worker is asked for: a share's loss and gradients, or its scores. */
export type Task = Share & { readonly type: 'pass' | 'predict' };

export type Answer =
  | { readonly type: 'ready' | 'passed' }
  /** Scores of the share's images, [N, classes]. */
  | { readonly type: 'predicted'; readonly logits: Float32Array<ArrayBuffer> }
  | { readonly type: 'failed'; readonly message: string };

/** Copy tensors' values to `to`, one after another. */
export function gather(tensors: Iterable<tf.Tensor>, to: Float32Array): void {
  let at = 0;
  for (const tensor of tensors) {
    to.set(tensor.dataSync<'float32'>(), at);
    at += tensor.size;
  }
}

/** Add tensors' values, one after another, to what is in `to`. */
export function addTo(to: Float32Array, tensors: Iterable<tf.Tensor>): void {
  let at = 0;
  for (const tensor of tensors) {
    const values = tensor.dataSync<'float32'>();
    for (let i = 0; i < values.length; i++) to[at + i]! += values[i]!;
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
