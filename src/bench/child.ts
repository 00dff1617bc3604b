import { type ExecFileException, execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { DcnetError } from '../core/errors.js';
import { lessMemory, likelyCause } from '../core/run/liveness.js';

/**
 * What a process of its own prints.
 * @param args of this Node.js
 * @throws Error by its last words and how it ended; DcnetError `memory` where it was killed, for that is the likely cause
 */
export async function outputOf(args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(process.execPath, args)).stdout;
  } catch (thrown) {
    const { signal, code, stderr } = thrown as ExecFileException & { readonly stderr: string };
    const how = signal ?? `exit code ${code}`;
    const cause = likelyCause(how);
    if (cause === undefined) throw new Error(`its process ended with ${how}: ${wordsOf(stderr)}`);
    throw new DcnetError({
      code: 'memory',
      message: `its process ended with ${how}. ${cause}`,
      remedy: lessMemory,
    });
  }
}

/** What a process said, without the frames of a stack, in one line. */
export function wordsOf(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '' && !/^\s+at /.test(line));
  return lines.map((line) => line.trim()).join(' / ');
}
