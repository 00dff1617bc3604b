import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { DcnetError, errorDetailsSchema } from '../../core/errors.js';
import { likelyCause } from '../../core/run/liveness.js';

/** How a command of this program ended that ran in a process of its own. */
export interface ChildResult {
  /** The object that it printed; undefined where it printed none. */
  readonly answer: unknown;
  /** `SIGKILL` or `exit code 1`. */
  readonly exit: string;
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
    const ended = new Promise<string>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, by) => resolve(by ?? `exit code ${code}`));
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
    const exit = await ended;
    return { answer: parse(output), exit, lastLines };
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
export function failureOf(what: string, { answer, exit, lastLines }: ChildResult): DcnetError {
  const said = errorDetailsSchema.safeParse((answer as { readonly error?: unknown } | undefined)?.error);
  if (said.success) return new DcnetError(said.data);
  const cause = likelyCause(exit);
  return new DcnetError({
    code: 'engine',
    message: `${what} ended with ${exit}${lastLines.length === 0 ? '' : `: ${lastLines.join(' / ')}`}.${cause === undefined ? '' : ` ${cause}`}`,
    remedy: `Run the same command again${cause === undefined ? '' : ', with --parallel 1 or more memory'}: it goes on where it was.`,
  });
}
