import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { DcnetError } from '../../core/errors.js';

/** As many lines of a failed command as help to see why. */
const keptLines = 20;
/** What was told to end and does not is killed after so long. */
const endLimitMs = 3_000;
const endCheckMs = 20;

const windows = process.platform === 'win32';

export interface CommandOptions {
  readonly cwd: string;
  readonly signal: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
  /** What it is for, in an error: `Compile the binding`. */
  readonly purpose: string;
  /** What to do when it fails. */
  readonly remedy: string;
  readonly onLine?: (line: string) => void;
}

/**
 * Run a command to its end. On abort, its whole process tree has ended before this tells so; it ends with this process, too.
 * @returns its standard output
 * @throws DcnetError `backend` with the last lines it printed, or `cancelled`
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<string> {
  const { cwd, signal, purpose, remedy, onLine } = options;
  if (signal.aborted) throw cancelled(purpose);
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: !windows, // a group of its own, so that what it starts ends with it
    shell: windows && command === 'npm', // npm is a batch file there
  });
  let ending: Promise<void> | undefined;
  const end = (): void => {
    ending = endTree(child);
  };
  const kill = (): void => void signalGroup(child, 'SIGKILL');
  signal.addEventListener('abort', end, { once: true });
  process.once('exit', kill);

  let output = '';
  const last: string[] = [];
  const keep = (line: string): void => {
    last.push(line);
    if (last.length > keptLines) last.shift();
    onLine?.(line);
  };
  createInterface({ input: child.stderr }).on('line', keep);
  createInterface({ input: child.stdout }).on('line', (line) => {
    output += `${line}\n`;
    keep(line);
  });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    await ending;
    if (signal.aborted) throw cancelled(purpose);
    if (code !== 0) {
      throw new DcnetError({
        code: 'backend',
        message: `${purpose} failed: ${command} ended with ${code}.\n${last.join('\n')}`,
        remedy,
      });
    }
    return output;
  } catch (thrown) {
    if (thrown instanceof DcnetError) throw thrown;
    throw new DcnetError(
      { code: 'backend', message: `${purpose} failed: ${command} could not be started.`, remedy },
      { cause: thrown },
    );
  } finally {
    signal.removeEventListener('abort', end);
    process.off('exit', kill);
  }
}

/** End a process and all that it started: asked first, killed where it does not go. */
async function endTree(child: ChildProcess): Promise<void> {
  if (windows) {
    spawn('taskkill', ['/pid', String(child.pid), '/T', '/F']);
    return;
  }
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    signalGroup(child, signal);
    for (const limit = performance.now() + endLimitMs; performance.now() < limit; ) {
      if (!signalGroup(child, 0)) return;
      await delay(endCheckMs);
    }
  }
}

/** @returns false where nobody is there any more */
function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals | 0): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(windows ? pid : -pid, signal);
  } catch {
    return false;
  }
}

function cancelled(purpose: string): DcnetError {
  return new DcnetError({
    code: 'cancelled',
    message: `${purpose} was cancelled.`,
    remedy: 'Nothing was left behind; start again when you like.',
  });
}
