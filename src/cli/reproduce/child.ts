import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { DcnetError, errorDetailsSchema } from '../../core/errors.js';

/** How a command of this program ended that ran in a process of its own. */
export interface ChildResult {
  /** The object that it printed; undefined where it printed none. */
  readonly answer: unknown;
  readonly exitCode: number | null;
  /** Its last lines for people. */
  readonly lastLines: readonly string[];
}

/** So many lines of a failed command are shown. */
const linesKept = 10;

/**
 * Run `dcnet …args --json` in a process of its own, so that a crash costs one run and two can share the cores.
 * @param onLine gets each line for people
 * @param signal aborted: the command is asked to stop (a training makes a checkpoint first)
 */
export async function runCommand(
  args: readonly string[],
  { onLine, signal }: { readonly onLine?: (line: string) => void; readonly signal: AbortSignal },
): Promise<ChildResult> {
  const child = spawn(process.execPath, [process.argv[1]!, ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: Ctrl-C in the terminal reaches this process alone, which passes it on once.
    detached: process.platform !== 'win32',
    windowsHide: true,
  });
  const stop = (): void => void child.kill('SIGTERM');
  const end = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  process.once('exit', end);
  try {
    const exit = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
    const lastLines: string[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      onLine?.(line);
      lastLines.push(line);
      if (lastLines.length > linesKept) lastLines.shift();
    });
    if (signal.aborted) stop();
    const exitCode = await exit;
    return { answer: parse(output), exitCode, lastLines };
  } finally {
    signal.removeEventListener('abort', stop);
    process.off('exit', end);
  }
}

function parse(output: string): unknown {
  const last = output.trim().split('\n').at(-1) ?? '';
  try {
    return JSON.parse(last);
  } catch {
    return undefined; // killed before it answered: the exit code says so
  }
}

/** What went wrong in a command that gave no answer of use. */
export function failureOf(what: string, { answer, exitCode, lastLines }: ChildResult): DcnetError {
  const said = errorDetailsSchema.safeParse((answer as { readonly error?: unknown } | undefined)?.error);
  if (said.success) return new DcnetError(said.data);
  return new DcnetError({
    code: 'engine',
    message: `${what} ended with exit code ${exitCode ?? 'none'}${lastLines.length === 0 ? '' : `: ${lastLines.join(' / ')}`}.`,
    remedy: 'Run the same command again: it goes on where it was.',
  });
}
