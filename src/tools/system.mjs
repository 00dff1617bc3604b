// What every tool needs of the system it runs on: child processes, and steps that say what failed and what to do. Only Node's own modules: the tools start on a bare clone.
import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromRoot } from './paths.mjs';

/** A step that could not be done: what happened, and what to do about it. */
export class StepError extends Error {
  /** @override */
  name = 'StepError';

  /**
   * @param {string} message what happened, to what
   * @param {string} remedy what to do next
   */
  constructor(message, remedy) {
    super(message);
    this.remedy = remedy;
  }
}

/**
 * Does the work of a program of ours: what goes wrong is told, with what to do, and makes the exit code 1.
 * @param {() => Promise<void>} work
 */
export async function runProgram(work) {
  try {
    await work();
  } catch (error) {
    console.error(error instanceof StepError ? `${error.message}.\n${error.remedy}` : error);
    process.exitCode = 1;
  }
}

/**
 * Whether a module is the program that was started, not one that it imports.
 * @param {string} url the module's `import.meta.url`
 */
export function isProgram(url) {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url);
}

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd] the repository where not given
 * @property {NodeJS.ProcessEnv} [env] added to this process's own
 * @property {'inherit' | 'stderr' | 'capture-stdout' | 'capture'} [output] where stdout goes: where ours does, to our
 *   stderr, or into the result, with or without stderr
 * @property {AbortSignal} [signal] ends the child
 */

/** @type {Readonly<Record<NonNullable<RunOptions['output']>, 'inherit' | 'pipe' | 2>>} */
const stdoutOf = { inherit: 'inherit', stderr: 2, 'capture-stdout': 'pipe', capture: 'pipe' };

/**
 * Runs a program to its end. Never goes through a shell, except for npm's script files on Windows.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<{ code: number, stdout: string, stderr: string }>} what was captured of its output
 */
export function run(program, args, { cwd = fromRoot(), env = {}, output = 'inherit', signal } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      signal,
      shell: process.platform === 'win32' && program.endsWith('.cmd'),
      stdio: ['ignore', stdoutOf[output], output === 'capture' ? 'pipe' : 'inherit'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
  });
}

/**
 * `run` a Node script of ours or of an installed package.
 * @param {string} script relative to the repository
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 */
export function runNode(script, args, options) {
  return run(process.execPath, [fromRoot(script), ...args], options);
}

/**
 * Where a program is on the PATH.
 * @param {string} name
 * @returns {Promise<string | undefined>}
 */
export async function findProgram(name) {
  const endings = process.platform === 'win32' ? ['.exe', '.cmd'] : [''];
  for (const directory of (process.env.PATH ?? '').split(path.delimiter)) {
    for (const ending of endings) {
      const candidate = path.join(directory, name + ending);
      if (directory !== '' && (await isExecutable(candidate))) return candidate;
    }
  }
  return undefined;
}

/** @param {string} file */
async function isExecutable(file) {
  try {
    await access(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
