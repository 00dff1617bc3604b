import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { multiplyAdds } from '../../core/config/multiplyAdds.js';
import type { Network } from '../../core/config/network.js';
import type { Config } from '../../core/config/schema.js';
import { DcnetError } from '../../core/errors.js';
import type { Split } from '../data/dataSet.js';
import type { DcnetModel } from '../model/model.js';
import { isOutOfMemory } from '../training/outOfMemory.js';
import { addDecay, type PassResult } from '../training/step.js';
import { breakUp, type RendezvousMemory, rendezvousMemory } from './rendezvous.js';
import { type Answer, gather, placesOf, type Share, type WorkerSetup } from './sharedStep.js';

/** A smaller share is not worth a worker's trouble. */
const fewestImages = 16;
/** More workers than this wait for each other more than they compute. */
const mostWorkers = 8;

/**
 * Multiply-adds of a worker's share of a batch, forward, below which handing it over costs what it saves. Measured with
 * two workers on two cores: none faster at 0.05 · 10⁹ (the sample network), 1.7 × at 2 · 10⁹ (CNN-9, 32-64-128).
 */
const fewestMultiplyAdds = 0.25e9;

/** How many workers share each batch where nobody asks for a number. */
export function defaultWorkers(batch: number, network: Network): number {
  const byWork = Math.floor((batch * multiplyAdds(network)) / fewestMultiplyAdds);
  const byImages = Math.floor(batch / fewestImages);
  return Math.max(1, Math.min(os.availableParallelism(), mostWorkers, byImages, byWork));
}

interface Member {
  readonly thread: Worker;
  readonly results: Float32Array;
}

/**
 * Threads that share each batch, each with a backend and a replica of the network of its own. Batch statistics (batch
 * normalisation, adaptive radius) are those of the whole batch: what comes out is what one thread would compute but for
 * rounding, and the same to the last bit for the same number of workers.
 */
export class TrainingWorkers {
  readonly #members: readonly Member[];
  readonly #rendezvous: RendezvousMemory;
  readonly #weights: Float32Array;
  readonly #ready: Promise<void>;
  #failure: Error | undefined;
  #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  #answers = 0;
  #disposed = false;

  /** @param workers from 2, and no more than the smallest batch has images */
  constructor(
    workers: number,
    private readonly model: DcnetModel,
    network: Network,
    private readonly config: Pick<Config, 'seed' | 'averageDecay' | 'labelSmoothing' | 'weightDecay'>,
  ) {
    const { seed, averageDecay, labelSmoothing } = config;
    const size = placesOf(model).at(-1)!.to;
    // A sum and another of each channel, which the kernels fill up to a multiple of four.
    const channels = 4 + Math.max(...network.layers.map(({ outputShape }) => outputShape.at(-1) ?? 1));
    this.#rendezvous = rendezvousMemory(workers, 1 + 2 * channels);
    this.#weights = sharedFloats(size);
    const shared = { network, seed, averageDecay, labelSmoothing };
    this.#members = Array.from({ length: workers }, (_, worker) => {
      const results = sharedFloats(2 + model.parameterCount);
      const workerData: WorkerSetup = {
        ...shared,
        worker,
        results,
        rendezvous: this.#rendezvous,
        weights: this.#weights,
      };
      const thread = new Worker(bundledWorker(), { workerData });
      thread.on('message', (answer: Answer) => this.#answered(answer));
      thread.on('error', (error) => this.#fail(error.message));
      thread.on('exit', () => this.#fail('it ended'));
      return { thread, results };
    });
    this.#ready = this.#allAnswer();
    this.#ready.catch(() => {}); // whoever asks for the first pass is told
  }

  get threads(): readonly Worker[] {
    return this.#members.map(({ thread }) => thread);
  }

  /**
   * Loss and gradients of a batch, as {@link pass} gives them, and the running averages take a step.
   * @throws DcnetError `engine` when a worker failed or ended; what the runtime said where there was no memory left
   */
  async pass(split: Split, batch: Uint32Array): Promise<PassResult> {
    await this.#ready;
    gather(this.model.tensors.values(), this.#weights);
    const done = this.#allAnswer();
    const { length } = this.#members;
    for (const [i, { thread }] of this.#members.entries()) {
      const from = Math.floor((i * batch.length) / length);
      const to = Math.floor(((i + 1) * batch.length) / length);
      thread.postMessage(shareOf(split, batch.subarray(from, to), (to - from) / batch.length));
    }
    await done;
    for (const { variable, from, to } of placesOf(this.model))
      if (!variable.trainable)
        tf.tidy(() => variable.assign(tf.tensor(this.#weights.slice(from, to), variable.shape)));
    return this.#summed();
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    breakUp(this.#rendezvous);
    await Promise.all(this.#members.map(({ thread }) => thread.terminate()));
  }

  #summed(): PassResult {
    const [first, ...others] = this.#members;
    const sums = first!.results.slice();
    for (const { results } of others) for (let i = 0; i < sums.length; i++) sums[i]! += results[i]!;
    return tf.tidy(() => {
      let at = 2;
      const gradients = this.model.trainable.map(({ variable }) => {
        at += variable.size;
        return tf.tensor(sums.subarray(at - variable.size, at), variable.shape);
      });
      const outcome = tf.tensor1d(sums.subarray(0, 2));
      return { outcome, gradients: addDecay(this.model, gradients, this.config.weightDecay) };
    });
  }

  #allAnswer(): Promise<void> {
    this.#answers = 0;
    return new Promise((resolve, reject) => {
      if (this.#failure === undefined) this.#waiting = { resolve, reject };
      else reject(this.#failure);
    });
  }

  #answered(answer: Answer): void {
    if (answer.type === 'failed') this.#fail(answer.message);
    else if (++this.#answers === this.#members.length) this.#waiting?.resolve();
  }

  #fail(reason: string): void {
    if (this.#disposed || this.#failure !== undefined) return;
    // A lack of memory is the training's to explain, as on one thread.
    this.#failure = isOutOfMemory(reason)
      ? new Error(reason)
      : new DcnetError({
          code: 'engine',
          message: `A training worker failed: ${reason}.`,
          remedy:
            'Resume the run from its newest checkpoint; `dcnet train --workers 1` trains on one thread.',
        });
    breakUp(this.#rendezvous);
    this.#waiting?.reject(this.#failure);
  }
}

function sharedFloats(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}

function shareOf({ images, labels }: Split, indices: Uint32Array, part: number): Share {
  const size = images.length / labels.length;
  const own = new Uint8Array(indices.length * size);
  for (const [i, index] of indices.entries())
    own.set(images.subarray(index * size, (index + 1) * size), i * size);
  return { images: own, labels: Uint8Array.from(indices, (index) => labels[index]!), part };
}

/** The thread's program: beside the bundled engine; from source, in the build's output. */
function bundledWorker(): string {
  const here = path.dirname(fileURLToPath(import.meta.url));
  return path.join(here, import.meta.url.endsWith('.ts') ? '../../../dist' : '', 'trainingWorker.js');
}
