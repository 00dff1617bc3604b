import { setTimeout as delay } from 'node:timers/promises';
import writeFileAtomic from 'write-file-atomic';

/** Windows refuses to replace a file that another process has just open: tried again, at these intervals. */
const retryDelaysMs = [20, 50, 100, 200, 400];
const passing = new Set(['EPERM', 'EACCES', 'EBUSY']);

/** Replace a file in one step: a temporary file beside it, flushed, then renamed. A reader sees the old or the new. */
export async function replaceFile(file: string, contents: string | Buffer): Promise<void> {
  for (const waitMs of retryDelaysMs) {
    try {
      await writeFileAtomic(file, contents);
      return;
    } catch (thrown) {
      if (process.platform !== 'win32' || !passing.has((thrown as NodeJS.ErrnoException).code ?? ''))
        throw thrown;
      await delay(waitMs);
    }
  }
  await writeFileAtomic(file, contents);
}
