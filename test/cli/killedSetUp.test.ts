import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isProcessAlive } from '../../src/engine/training/processes.js';
import { temporaryFolder } from '../engine/data/tinyData.js';
import { dcnet, type Ended, start } from './command.js';

/** Where the runtimes of the user are. */
let data: string;
const children: ChildProcess[] = [];
/** Runs a program in a terminal of its own (util-linux), which goes with it. */
const terminal = '/usr/bin/script';

beforeEach(async () => {
  const home = await temporaryFolder();
  const programs = path.join(home, 'bin');
  data = path.join(home, 'data');
  for (const folder of [programs, data]) await mkdir(folder);
  await program(
    path.join(programs, 'npm'),
    `trap 'echo ends; /bin/sleep 0.2; exit 1' TERM
    echo $$ > pid
    echo half > half-a-library
    /bin/sleep 20 &
    wait`,
  );
  for (const name of ['g++', 'python3']) await program(path.join(programs, name), '');
  vi.stubEnv('PATH', programs);
  vi.stubEnv('DCNET_RUNTIME', path.join(data, 'tensorflow'));
  vi.stubEnv('DCNET_WEBGPU', path.join(data, 'webgpu'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  for (const child of children.splice(0)) child.kill('SIGINT');
});

async function program(file: string, script: string): Promise<void> {
  const version = 'case "$*" in *--version*) echo 1.2.3; exit 0;; esac';
  await writeFile(file, `#!/bin/sh\n${version}\n${script}\n`);
  await chmod(file, 0o755);
}

/** A set-up whose npm has written something. */
interface UnderWay {
  readonly folder: string;
  /** Of npm. */
  readonly pid: number;
}

async function underWay(begin: () => void): Promise<UnderWay> {
  const before = await readdir(data);
  begin();
  const folder = await vi.waitUntil(
    async () => {
      const [made] = (await readdir(data)).filter((name) => !before.includes(name));
      return made !== undefined && (await readdir(path.join(data, made))).includes('half-a-library') && made;
    },
    { timeout: 20_000 },
  );
  return { folder, pid: Number(await readFile(path.join(data, folder, 'pid'), 'utf8')) };
}

/** Set a runtime up until npm has written something. */
async function setUp(
  ...args: readonly string[]
): Promise<UnderWay & { readonly end: (signal: NodeJS.Signals) => Promise<Ended> }> {
  let started: ReturnType<typeof start> | undefined;
  const found = await underWay(() => {
    started = start(['setup', ...args]);
    children.push(started.child);
  });
  const end = (signal: NodeJS.Signals): Promise<Ended> => {
    started!.child.kill(signal);
    return started!.ended;
  };
  return { ...found, end };
}

describe.skipIf(process.platform === 'win32')('what a set-up leaves that is killed', () => {
  test.each([['tensorflow', '--variant', 'cpu'], ['webgpu']])(
    'goes with the next one of %s; what is under way stays',
    async (...args) => {
      const killed = await setUp(...args);
      const other = await setUp(...args);
      await killed.end('SIGKILL');
      expect((await readdir(data)).sort()).toEqual([killed.folder, other.folder].sort());
      const next = await setUp(...args);
      expect((await readdir(data)).sort()).toEqual([next.folder, other.folder].sort());
    },
  );

  test('lies where it was to be made: --tensorflow says so', async () => {
    const folder = path.join(data, 'other');
    const killed = await setUp('tensorflow', '--variant', 'cpu', '--tensorflow', folder);
    expect(killed.folder).toMatch(/^other\./);
    await killed.end('SIGINT');
    expect(await readdir(data)).toEqual([]);
    const webgpu = await dcnet('setup', 'webgpu', '--tensorflow', folder);
    expect([webgpu.exitCode, webgpu.stderr]).toEqual([2, expect.stringContaining('--tensorflow')]);
  });

  test('goes when the doctor looks', async () => {
    const tensorflow = await setUp('tensorflow', '--variant', 'cpu');
    const webgpu = await setUp('webgpu');
    const other = await setUp('webgpu');
    await tensorflow.end('SIGKILL');
    await webgpu.end('SIGKILL');
    expect((await dcnet('doctor')).exitCode).toBe(0);
    expect(await readdir(data)).toEqual([other.folder]);
  });
});

describe.skipIf(process.platform === 'win32')('a set-up', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'that is ended by %s leaves nothing',
    async (signal) => {
      const { end, pid } = await setUp('webgpu');
      const { exitCode, stderr } = await end(signal);
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining('Installing from npm was cancelled.')]);
      expect(await readdir(data)).toEqual([]);
      expect(isProcessAlive(pid)).toBe(false);
    },
  );

  test.skipIf(process.platform !== 'linux' || !existsSync(terminal))(
    'leaves nothing when its terminal is closed',
    async () => {
      const command = `'${process.execPath}' '${path.resolve('dist/cli.js')}' setup webgpu`;
      const { pid } = await underWay(() => {
        children.push(
          spawn(terminal, ['-qec', command, '/dev/null'], { stdio: ['pipe', 'ignore', 'ignore'] }),
        );
      });
      children.at(-1)?.kill('SIGKILL');
      await vi.waitUntil(async () => (await readdir(data)).length === 0, { timeout: 20_000 });
      expect(isProcessAlive(pid)).toBe(false);
    },
  );
});
