import type { ChildProcess } from 'node:child_process';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { temporaryFolder } from '../engine/data/tinyData.js';
import { dcnet, start } from './command.js';

/** Where the runtimes of the user are. */
let data: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  const home = await temporaryFolder();
  const programs = path.join(home, 'bin');
  data = path.join(home, 'data');
  for (const folder of [programs, data]) await mkdir(folder);
  await program(path.join(programs, 'npm'), '/bin/echo half > half-a-library\nexec /bin/sleep 20');
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

/** Set a runtime up until npm has written something. */
async function setUp(...args: readonly string[]): Promise<{ kill: () => Promise<void>; folder: string }> {
  const before = await readdir(data);
  const { child, ended } = start(['setup', ...args]);
  children.push(child);
  const folder = await vi.waitUntil(
    async () => {
      const [made] = (await readdir(data)).filter((name) => !before.includes(name));
      return made !== undefined && (await readdir(path.join(data, made))).includes('half-a-library') && made;
    },
    { timeout: 20_000 },
  );
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  return { kill, folder };
}

describe.skipIf(process.platform === 'win32')('what a set-up leaves that is killed', () => {
  test.each([['tensorflow', '--variant', 'cpu'], ['webgpu']])(
    'goes with the next one of %s; what is under way stays',
    async (...args) => {
      const killed = await setUp(...args);
      const underWay = await setUp(...args);
      await killed.kill();
      expect((await readdir(data)).sort()).toEqual([killed.folder, underWay.folder].sort());
      const next = await setUp(...args);
      expect((await readdir(data)).sort()).toEqual([next.folder, underWay.folder].sort());
    },
  );

  test('goes when the doctor looks', async () => {
    const tensorflow = await setUp('tensorflow', '--variant', 'cpu');
    const webgpu = await setUp('webgpu');
    const underWay = await setUp('webgpu');
    await tensorflow.kill();
    await webgpu.kill();
    expect((await dcnet('doctor')).exitCode).toBe(0);
    expect(await readdir(data)).toEqual([underWay.folder]);
  });
});
