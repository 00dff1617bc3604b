import type * as tf from '@tensorflow/tfjs-core';
import type { Batch } from './batches.js';

/** Steps are reported this often at most. */
const reportIntervalMs = 250;

interface Unread {
  readonly step: number;
  readonly batch: Batch;
  /** [loss, images classified rightly]. */
  readonly outcome: tf.Tensor1D;
}

/** Means over the steps since the report before. */
export interface StepMeans {
  readonly loss: number;
  readonly accuracy: number;
  readonly imagesPerSecond: number;
}

const nothing = { steps: 0, loss: 0, correct: 0, images: 0, seconds: 0 };

/** Gathers losses and accuracies of steps, and reads them from the device no more often than it must. */
export class Meter {
  /** Of all steps. */
  images = 0;
  seconds = 0;
  #unread: Unread[] = [];
  #window = { ...nothing };
  #began = 0;
  #reportedAt = performance.now();

  /**
   * @param readEvery losses are read after so many steps
   * @param check is told each loss that was read, and may throw
   */
  constructor(
    private readonly readEvery: number,
    private readonly check: (loss: number, step: number, batch: Batch) => void,
  ) {}

  get isDue(): boolean {
    return performance.now() - this.#reportedAt >= reportIntervalMs;
  }

  begin(): void {
    this.#began = performance.now();
  }

  /** Takes over `outcome`, which is disposed once it is read. */
  add(outcome: tf.Tensor1D, step: number, batch: Batch): void {
    this.#unread.push({ outcome, step, batch });
    this.#window.images += batch.labels.length;
    this.images += batch.labels.length;
    if (this.#unread.length >= this.readEvery) this.#read();
  }

  end(): void {
    const seconds = (performance.now() - this.#began) / 1000;
    this.#window.seconds += seconds;
    this.seconds += seconds;
  }

  /** The means since the last time; at least one step must have been added. */
  take(): StepMeans {
    this.begin();
    this.#read();
    this.end();
    const { steps, loss, correct, images, seconds } = this.#window;
    this.#window = { ...nothing };
    this.#reportedAt = performance.now();
    return { loss: loss / steps, accuracy: correct / images, imagesPerSecond: images / seconds };
  }

  #read(): void {
    const unread = this.#unread;
    this.#unread = [];
    const values = unread.map(({ outcome }) => {
      const [loss, correct] = outcome.dataSync() as unknown as [number, number];
      outcome.dispose();
      return { loss, correct };
    });
    for (const [i, { step, batch }] of unread.entries()) {
      const { loss, correct } = values[i]!;
      this.check(loss, step, batch);
      this.#window.steps++;
      this.#window.loss += loss;
      this.#window.correct += correct;
    }
  }
}
