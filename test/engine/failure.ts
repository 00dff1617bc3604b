import { expect } from 'vitest';
import { DcnetError } from '../../src/core/errors.js';

/** What work fails with that has to fail. */
export async function failure(work: Promise<unknown>): Promise<DcnetError['details']> {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(DcnetError);
  return (thrown as DcnetError).details;
}
