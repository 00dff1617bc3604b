import type { Config } from '../../core/config/schema.js';
import { defaultEpochs } from '../../core/config/trainingSchema.js';
import { shuffledOrder } from '../../core/random.js';
import { type Augmenter, augmenterOf } from '../data/augment.js';
import { batchFrom, type ImageBatch, type Split } from '../data/split.js';

/** Steps of one epoch: as few as hold every image once with at most `batch` images each. */
export function stepsPerEpoch(images: number, batch: number): number {
  return Math.ceil(images / batch);
}

/** The order of the training images in an epoch (from 0): depends on the seed and the epoch alone. */
export function epochOrder(images: number, seed: number, epoch: number): Uint32Array {
  return shuffledOrder(images, seed, `order of epoch ${epoch}`);
}

/**
 * The images of a step of an epoch. Every image comes once an epoch, and the batches differ by one image at most: a
 * small last batch would give the batch statistics (batch normalisation, adaptive radius) a noisy sample.
 * @param step step in the epoch, from 0
 */
export function batchOf(order: Uint32Array, step: number, steps: number): Uint32Array {
  return order.subarray(
    Math.floor((step * order.length) / steps),
    Math.floor(((step + 1) * order.length) / steps),
  );
}

/** How long a training is. */
export interface TrainingLength {
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  /** Epochs that begin: of the last one, `totalSteps` may leave a part. */
  readonly epochs: number;
}

export function trainingLength(
  { batch, epochs = defaultEpochs, steps }: Pick<Config, 'batch' | 'epochs' | 'steps'>,
  images: number,
): TrainingLength {
  const perEpoch = stepsPerEpoch(images, batch);
  if (steps === undefined) return { stepsPerEpoch: perEpoch, totalSteps: perEpoch * epochs, epochs };
  return { stepsPerEpoch: perEpoch, totalSteps: steps, epochs: Math.ceil(steps / perEpoch) };
}

/** The images of one step, as training sees them. */
export interface Batch extends ImageBatch {
  /** Which images of the split these are [N]. */
  readonly indices: Uint32Array;
}

/** Gives the batch of each step, the next one prepared while the one before is computed. */
export class Batches {
  #epoch: { readonly epoch: number; readonly order: Uint32Array; readonly augmenter?: Augmenter } | undefined;
  #prepared: { readonly step: number; readonly batch: Promise<Batch> } | undefined;

  /** @param totalSteps nothing is prepared beyond them */
  constructor(
    private readonly data: {
      readonly split: Split;
      readonly shape: readonly [height: number, width: number, channels: number];
    },
    private readonly config: Pick<Config, 'seed' | 'augmentation'>,
    private readonly length: Pick<TrainingLength, 'stepsPerEpoch' | 'totalSteps'>,
  ) {}

  /** The batch of a step, from 0. */
  take(step: number): Promise<Batch> {
    this.prepare(step);
    return this.#prepared!.batch;
  }

  /** Begin with the batch of a step that is soon taken; what fails is told to whoever takes it. */
  prepare(step: number): void {
    if (this.#prepared?.step === step || step >= this.length.totalSteps) return;
    const batch = this.#make(step);
    batch.catch(() => {});
    this.#prepared = { step, batch };
  }

  async #make(step: number): Promise<Batch> {
    const { stepsPerEpoch: steps } = this.length;
    const { order, augmenter } = this.#epochOf(Math.floor(step / steps));
    const indices = batchOf(order, step % steps, steps);
    const { images, labels } = await batchFrom(this.data.split, indices);
    return { indices, images: augmenter?.apply(images, indices) ?? images, labels };
  }

  #epochOf(epoch: number) {
    if (this.#epoch?.epoch === epoch) return this.#epoch;
    const { seed, augmentation } = this.config;
    const { count } = this.data.split;
    const order = epochOrder(count, seed, epoch);
    const augmenter = augmentation && augmenterOf(augmentation, this.data.shape, count, seed, epoch);
    this.#epoch = { epoch, order, ...(augmenter === undefined ? {} : { augmenter }) };
    return this.#epoch;
  }
}
