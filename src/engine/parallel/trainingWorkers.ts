import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { multiplyAdds } from '../../core/config/multiplyAdds.js';
import type { Network } from '../../core/config/network.js';
import type { Config } from '../../core/config/schema.js';
import { DcnetError } from '../../core/errors.js';
import { type ImageBatch, labelsOf } from '../data/split.js';
import type { DcnetModel } from '../model/model.js';
import { isOutOfMemory } from '../training/outOfMemory.js';
import { addDecay, type PassOptions, type PassResult } from '../training/step.js';
import { breakUp, type RendezvousMemory, rendezvousMemory } from './rendezvous.js';
import {
  type Answer,
  gather,
  type Piece,
  placesOf,
  type Share,
  type Task,
  type WorkerSetup,
} from './sharedStep.js';

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

/**
 * Multiply-adds of a worker's share of an evaluation below which starting it, some half a second, costs what it saves.
 */
const fewestMultiplyAddsOfEvaluation = 10e9;

/** How many workers share the evaluation of so many images where nobody asks for a number. */
export function defaultEvaluationWorkers(images: number, network: Network): number {
  const byWork = Math.floor((images * multiplyAdds(network)) / fewestMultiplyAddsOfEvaluation);
  return Math.max(1, Math.min(os.availableParallelism(), mostWorkers, images, byWork));
}

interface Member {
  readonly thread: Worker;
  readonly results: Float32Array;
  /** Of the newest prediction. */
  logits: Float32Array;
}

/**
 * Threads that share each batch of a training or an evaluation, each with a backend and a replica of the network of its own. Batch statistics (batch
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
  #missing = 0;
  #disposed = false;

  /** @param workers from 2, and no more than the smallest batch has images */
  constructor(
    workers: number,
    private readonly model: DcnetModel,
    network: Network,
    private readonly config: Pick<Config, 'seed' | 'averageDecay' | 'adversarial'> & PassOptions,
  ) {
    const { seed, averageDecay, labelSmoothing, loss, adversarial } = config;
    const size = placesOf(model).at(-1)!.to;
    // A sum and another of each channel, which the kernels fill up to a multiple of four.
    const channels = 4 + Math.max(...network.layers.map(({ outputShape }) => outputShape.at(-1) ?? 1));
    this.#rendezvous = rendezvousMemory(workers, 1 + 2 * channels);
    this.#weights = sharedFloats(size);
    // The decay is added once, to the sum of the shares' gradients.
    const pass = { labelSmoothing, loss, weightDecay: 0 };
    const shared = { network, seed, averageDecay, adversarial, pass };
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
      thread.on('message', (answer: Answer) => this.#answered(worker, answer));
      thread.on('error', (error) => this.#fail(error.message));
      thread.on('exit', () => this.#fail('it ended'));
      return { thread, results, logits: new Float32Array() };
    });
    this.#ready = this.#answersOf(this.#members);
    this.#ready.catch(() => {}); // whoever asks for the first pass is told
  }

  get threads(): readonly Worker[] {
    return this.#members.map(({ thread }) => thread);
  }

  /** How many they are. */
  get count(): number {
    return this.#members.length;
  }

  /**
   * Loss and gradients of a batch, as {@link pass} gives them, and the running averages take a step.
   * @throws DcnetError `engine` when a worker failed or ended; what the runtime said where there was no memory left
   */
  async pass(
    batch: ImageBatch,
    {
      step = 0,
      parts = 1,
    }: {
      /** Finished steps of the training. */
      readonly step?: number;
      /** In which the batch is computed, one after another, each shared by all; each has an image for each. */
      readonly parts?: number;
    } = {},
  ): Promise<PassResult> {
    await this.#ready;
    gather(this.model.tensors.values(), this.#weights);
    await this.#ask('pass', batch, { parts, step });
    for (const { variable, from, to } of placesOf(this.model))
      if (!variable.trainable)
        tf.tidy(() => variable.assign(tf.tensor(this.#weights.subarray(from, to), variable.shape)));
    return this.#summed();
  }

  /**
   * Scores of images by the network as it is used at test time: each image's are what one thread computes.
   * @returns [N, classes]
   * @throws DcnetError as {@link pass}
   */
  async predict(batch: ImageBatch): Promise<Float32Array> {
    await this.#ready;
    gather(this.model.tensors.values(), this.#weights);
    const asked = await this.#ask('predict', batch, { parts: 1, step: 0 });
    const logits = new Float32Array(asked.reduce((sum, member) => sum + member.logits.length, 0));
    let at = 0;
    for (const member of asked) {
      logits.set(member.logits, at);
      at += member.logits.length;
    }
    return logits;
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    breakUp(this.#rendezvous);
    await Promise.all(this.#members.map(({ thread }) => thread.terminate()));
  }

  /** Have a batch worked on by all that get an image of it; who they were, in the images' order. */
  async #ask(
    type: Task['type'],
    batch: ImageBatch,
    { parts, step }: { readonly parts: number; readonly step: number },
  ): Promise<readonly Member[]> {
    const everywhere = { from: 0, to: batch.labels.length };
    const shares = this.#members
      .map((member, i) => ({
        member,
        pieces: Array.from({ length: parts }, (_, part) =>
          portion(portion(everywhere, part, parts), i, this.#members.length),
        ).filter(({ from, to }) => from < to),
      }))
      .filter(({ pieces }) => pieces.length > 0);
    const asked = shares.map(({ member }) => member);
    const done = this.#answersOf(asked);
    for (const { member, pieces } of shares)
      member.thread.postMessage({ type, ...shareOf(batch, pieces), step } satisfies Task);
    await done;
    return asked;
  }

  #summed(): PassResult {
    return tf.tidy(() => {
      const sum = (from: number, shape: number[]): tf.Tensor => {
        const shares = this.#members.map(({ results }) =>
          tf.tensor(results.subarray(from, from + tf.util.sizeFromShape(shape)), shape),
        );
        return shares.reduce((all, share) => tf.add(all, share));
      };
      const outcome = sum(0, [2]) as tf.Tensor1D;
      let at = outcome.size;
      const gradients = this.model.trainable.map(({ variable }) => {
        at += variable.size;
        return sum(at - variable.size, variable.shape);
      });
      return { outcome, gradients: addDecay(this.model, gradients, this.config.weightDecay) };
    });
  }

  #answersOf(members: readonly Member[]): Promise<void> {
    this.#missing = members.length;
    return new Promise((resolve, reject) => {
      if (this.#failure === undefined) this.#waiting = { resolve, reject };
      else reject(this.#failure);
    });
  }

  #answered(worker: number, answer: Answer): void {
    if (answer.type === 'failed') {
      this.#fail(answer.message);
      return;
    }
    if (answer.type === 'predicted') this.#members[worker]!.logits = answer.logits;
    this.#missing--;
    if (this.#missing === 0) this.#waiting?.resolve();
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

/** Pieces of a batch, one after another; copies, for a view would carry the whole batch along. */
function shareOf(batch: ImageBatch, pieces: readonly Piece[]): Omit<Share, 'step'> {
  const size = batch.images.length / batch.labels.length;
  const images = new Uint8Array(size * pieces.reduce((sum, { from, to }) => sum + to - from, 0));
  let at = 0;
  for (const { from, to } of pieces) {
    images.set(batch.images.subarray(from * size, to * size), at);
    at += (to - from) * size;
  }
  return {
    images,
    labels: labelsOf(pieces.flatMap(({ from, to }) => [...batch.labels.subarray(from, to)])),
    pieces,
    batch: batch.labels.length,
  };
}

/** The part of this number, from 0, of so many of about equal size. */
function portion({ from, to }: Piece, part: number, parts: number): Piece {
  const at = (number: number): number => from + Math.floor((number * (to - from)) / parts);
  return { from: at(part), to: at(part + 1) };
}

/** The thread's program: beside the bundled engine; from source, in the build's output. */
function bundledWorker(): string {
  const here = path.dirname(fileURLToPath(import.meta.url));
  return path.join(here, import.meta.url.endsWith('.ts') ? '../../../dist' : '', 'trainingWorker.js');
}
