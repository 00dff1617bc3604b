import { spawnSync } from 'node:child_process';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { readFatal, whileMarked } from '../../../src/engine/backend/crashMarks.js';
import { userDataFolder } from '../../../src/engine/setup/runtimeFolder.js';
import { temporaryFolder } from '../data/tinyData.js';

beforeEach(async () => vi.stubEnv('XDG_DATA_HOME', await temporaryFolder()));
afterEach(() => vi.unstubAllEnvs());

const own = (): string => path.join(userDataFolder(), `runtime-load-webgpu-${process.pid}.json`);

/** Leave the mark of a process that ended while it loaded a library. */
async function die(change: object = {}): Promise<string> {
  const ended = spawnSync(process.execPath, ['--version']).pid;
  const file = path.join(userDataFolder(), `runtime-load-webgpu-${ended}.json`);
  const before = await whileMarked('load', 'webgpu', () => readFile(own(), 'utf8'));
  await writeFile(file, JSON.stringify({ ...JSON.parse(before), ...change }));
  return file;
}

describe.skipIf(process.platform !== 'linux')('the mark of a process', () => {
  test('is there while it works, and tells of it once the process is no more', async () => {
    await whileMarked('load', 'webgpu', async () => {
      expect(await readdir(userDataFolder())).toEqual([path.basename(own())]);
      expect(await readFatal('load', 'webgpu'), 'it lives').toBeUndefined();
    });
    expect(await readdir(userDataFolder())).toEqual([]);
    await die();
    expect(await readFatal('load', 'webgpu')).toBeGreaterThan(Date.now() - 60_000);
    expect(await readFatal('load', 'tensorflow')).toBeUndefined();
    expect(await readFatal('trial', 'webgpu')).toBeUndefined();
  });

  test('is its own: others at the same neither overwrite nor remove it while it lives', async () => {
    const other = path.join(userDataFolder(), `runtime-load-webgpu-${process.ppid}.json`);
    await whileMarked('load', 'webgpu', () => rename(own(), other)); // as of another process
    const written = await readFile(other, 'utf8');
    await whileMarked('load', 'webgpu', () => undefined);
    expect(await readFile(other, 'utf8')).toBe(written);
  });

  test('counts no more once another came to an end with the same, whatever end', async () => {
    await die();
    await expect(whileMarked('load', 'webgpu', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await readdir(userDataFolder())).toEqual([]);
  });

  test('counts for a day, and goes then; that of another machine or version says nothing', async () => {
    const stale = await die({ startedAt: Date.now() - 24.1 * 3_600_000 });
    expect(await readFatal('load', 'webgpu')).toBeUndefined();
    await expect(readFile(stale)).rejects.toThrow('ENOENT');
    const foreign = await die({ machine: 'another' });
    expect(await readFatal('load', 'webgpu')).toBeUndefined();
    await readFile(foreign);
  });
});
