import type { Network } from '../../core/config/network.js';

/** A batch's values in the widest layer's output, and its images, are at most these. */
const mostValues = 2 ** 21;
const mostImages = 100;

/** How many images may go through a network at a time, so that memory does not depend on how many there are. */
export function batchSize({ layers }: Network): number {
  const widest = Math.max(
    ...layers.map(({ outputShape }) => (outputShape as readonly number[]).reduce((a, b) => a * b, 1)),
  );
  return Math.max(1, Math.min(mostImages, Math.floor(mostValues / widest)));
}
