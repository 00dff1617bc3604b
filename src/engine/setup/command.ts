import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { DcnetError } from '../../core/errors.js';

/** As many lines of a failed command as help to see why. */
const keptLines = 20;

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
 * Run a command to its end, with its whole process tree ended on abort.
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
  const windows = process.platform === 'win32';
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: !windows, // a group of its own, so that what it starts ends with it
    shell: windows && command === 'npm', // npm is a batch file there
  });
  const endTree = (): void => {
    if (child.pid === undefined || child.exitCode !== null) return;
    if (windows) spawn('taskkill', ['/pid', String(child.pid), '/T', '/F']);
    else process.kill(-child.pid, 'SIGTERM');
  };
  signal.addEventListener('abort', endTree, { once: true });

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
    signal.removeEventListener('abort', endTree);
  }
}

function cancelled(purpose: string): DcnetError {
  return new DcnetError({
    code: 'cancelled',
    message: `${purpose} was cancelled.`,
    remedy: 'Nothing was left behind; start again when you like.',
  });
}
