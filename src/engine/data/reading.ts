import type { WorkProgress } from '../../protocol/engine.js';
import { throwIfCancelled } from '../cancelled.js';

/** How a data set is read: a folder of images is decoded one by one, which takes long. */
export interface Reading {
  /** Aborted: it is given up with `cancelled`. */
  readonly signal?: AbortSignal | undefined;
  /** Told now and then; the reading waits for it. */
  readonly onProgress?: ((done: number, total: number) => void | Promise<void>) | undefined;
  /** Images of more bytes than this, 1 GiB, are not held in memory but read from a file by the batch. */
  readonly mostInMemory?: number | undefined;
}

/** Whether the images of a data set, train and test together, are held in memory. */
export function areHeldInMemory({ mostInMemory = 2 ** 30 }: Reading, bytes: number): boolean {
  return bytes <= mostInMemory;
}

/** Reading as a part of some work: its progress is told as that of the work. */
export function readingFor({
  signal,
  report,
}: {
  readonly signal: AbortSignal;
  readonly report: (progress: WorkProgress) => void;
}): Reading {
  return { signal, onProgress: (done, total) => report({ activity: 'Reading images', done, total }) };
}

const tellEveryMs = 200;

/**
 * After some images of all (one, if not said): whether to go on, and how far it is.
 * @throws DcnetError `cancelled`
 */
export function readingStep(
  { signal, onProgress }: Reading,
  total: number,
): (images?: number) => Promise<void> {
  let done = 0;
  let toldAt = performance.now();
  return async (images = 1) => {
    throwIfCancelled(signal);
    done += images;
    const now = performance.now();
    if (done < total && now - toldAt < tellEveryMs) return;
    toldAt = now;
    await onProgress?.(done, total);
  };
}
