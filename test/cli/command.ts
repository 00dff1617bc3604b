import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';

const bundle = path.resolve('dist/cli.js');

/** How a command ended. */
export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  /** Where it runs; left out: here. */
  readonly directory?: string;
  readonly nodeFlags?: readonly string[];
  /** The Node.js that runs it; left out: this one. */
  readonly node?: string;
  /** The program; left out: the built one. */
  readonly program?: string;
}

/** Start `dcnet …args` as it is built. @throws Error where it is not built */
export function start(
  args: readonly string[],
  { directory = '.', nodeFlags = [], node = process.execPath, program = bundle }: StartOptions = {},
): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  if (!existsSync(bundle)) throw new Error(`${bundle} is not there: run npm run build first.`);
  const child = spawn(node, [...nodeFlags, program, ...args], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const ended = once(child, 'close').then(([exitCode]) => ({
    exitCode: exitCode as number | null,
    stdout,
    stderr,
  }));
  return { child, ended };
}

/** Run `dcnet …args` to its end. */
export const dcnet = (...args: readonly string[]): Promise<Ended> => start(args).ended;
