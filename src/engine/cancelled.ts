import { DcnetError } from '../core/errors.js';

/** @throws DcnetError `cancelled` */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new DcnetError({
      code: 'cancelled',
      message: 'It was cancelled.',
      remedy: 'Start it again when you like.',
    });
}
