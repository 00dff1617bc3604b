import type { WorkProgress } from '../../protocol/engine.js';
import { throwIfCancelled } from '../cancelled.js';

/** How a data set is read that takes long: a folder of images is decoded one by one. */
export interface Reading {
  /** Aborted: it is given up with `cancelled`. */
  readonly signal?: AbortSignal | undefined;
  /** Told now and then; the reading waits for it. */
  readonly onProgress?: ((done: number, total: number) => void | Promise<void>) | undefined;
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
 * For each image of some: whether to go on, and how far it is.
 * @throws DcnetError `cancelled`
 */
export function readingStep({ signal, onProgress }: Reading, total: number): () => Promise<void> {
  let done = 0;
  let toldAt = performance.now();
  return async () => {
    throwIfCancelled(signal);
    done++;
    const now = performance.now();
    if (done < total && now - toldAt < tellEveryMs) return;
    toldAt = now;
    await onProgress?.(done, total);
  };
}
