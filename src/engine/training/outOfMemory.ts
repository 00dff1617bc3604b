import { DcnetError } from '../../core/errors.js';
import { type BatchParts, halvedBatch, imagesAtATime } from '../../core/run/batchParts.js';

/**
 * How the runtimes say that there is no memory left: TensorFlow's allocators, the WebAssembly module whose memory
 * cannot grow or that got no room, and WebGPU.
 */
const wordings = [
  /RESOURCE_EXHAUSTED/,
  /OOM when allocating/i,
  /out of memory/i,
  /memory access out of bounds/i,
  /cannot enlarge memory/i,
  /array buffer allocation failed/i,
  /invalid typed array length/i,
  /failed to allocate/i,
];

/** Whether a runtime failed because there was no memory left, told by its words: most have no code for it. */
export function isOutOfMemory(thrown: unknown): boolean {
  if (thrown instanceof DcnetError) return thrown.details.code === 'memory';
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return wordings.some((wording) => wording.test(message));
}

/**
 * What to tell of a training that did not fit.
 * @param batch as it was computed; `undefined` where it did not come to that
 * @param backend that it failed on
 */
export function outOfMemoryError(
  thrown: unknown,
  batch: BatchParts | undefined,
  backend: string,
): DcnetError {
  const cause = thrown instanceof Error ? thrown.message : String(thrown);
  const atATime = batch === undefined ? '' : `, with ${imagesAtATime(batch)} images at a time`;
  const halving =
    batch === undefined || halvedBatch(batch) === undefined
      ? 'Use'
      : 'Resume it with half the images at a time and the gradients of the parts added up (--on-memory halve), or use a smaller batch,';
  return new DcnetError(
    {
      code: 'memory',
      message: `The training did not fit into the memory of ${backend}${atATime} (${cause.split('\n', 1)[0]}).`,
      remedy: `${halving} fewer filters, smaller images, or a backend with more memory.`,
    },
    { cause: thrown },
  );
}
