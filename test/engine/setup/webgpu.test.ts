import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { Engine } from '../../../src/engine/service.js';
import { userDataFolder } from '../../../src/engine/setup/runtimeFolder.js';
import { setUpWebgpu } from '../../../src/engine/setup/webgpu.js';
import type { WorkProgress } from '../../../src/protocol/engine.js';
import { markNow } from '../backend/marks.js';

/** A machine on whose PATH is nothing but an npm of ours. */
let home: string;
let folder: string;
const { PATH } = process.env;

beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'dcnet-setup-'));
  folder = path.join(home, 'data', 'webgpu');
  await mkdir(path.join(home, 'bin'));
  process.env.PATH = path.join(home, 'bin');
});

afterEach(async () => {
  vi.unstubAllEnvs();
  process.env.PATH = PATH;
  await rm(home, { recursive: true, force: true });
});

const library = `node_modules/webgpu/dist/${process.platform}-${process.platform === 'darwin' ? 'universal' : process.arch}`;

async function npm(install: string): Promise<void> {
  const file = path.join(home, 'bin', 'npm');
  await writeFile(file, `#!/bin/sh\ncase "$*" in *--version*) echo 1.2.3; exit 0;; esac\n${install}\n`);
  await chmod(file, 0o755);
}

const setUp = (signal = new AbortController().signal, report: (activity: string) => void = () => undefined) =>
  setUpWebgpu({ folder, signal, report: ({ activity }) => report(activity) });

describe.skipIf(process.platform === 'win32')('setting WebGPU up', () => {
  it('needs npm, and says so', async () => {
    await expect(setUp()).rejects.toThrow('npm is missing.');
    expect(await readdir(home)).toEqual(['bin']);
  });

  it('shows what npm said when it failed, and keeps the runtime that was there', async () => {
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'kept'), 'as it was');
    await npm('echo "npm error no route to registry" >&2\nexit 7');
    await expect(setUp()).rejects.toThrow('no route to registry');
    expect(await readdir(path.dirname(folder))).toEqual(['webgpu']);
    expect(await readFile(path.join(folder, 'kept'), 'utf8')).toBe('as it was');
  });

  it('puts nothing in place that does not load', async () => {
    await npm(`/bin/mkdir -p ${library}\necho broken > ${library}/dawn.node`);
    await expect(setUp()).rejects.toThrow('Trying Dawn failed');
    expect(await readdir(path.dirname(folder))).toEqual([]);
  });

  it('leaves nothing when it is cancelled', async () => {
    await npm('echo started\n/bin/sleep 5');
    const abort = new AbortController();
    const cancelled = setUp(abort.signal, (activity) => {
      if (activity.includes('started')) abort.abort();
    });
    await expect(cancelled).rejects.toMatchObject({ details: { code: 'cancelled' } });
    expect(await readdir(path.dirname(folder))).toEqual([]);
  });

  it('leaves nothing when the engine that does it is to end', async () => {
    process.env.DCNET_WEBGPU = folder;
    const alive = path.join(home, 'alive');
    await npm(`(/bin/sleep 2; echo yes > "${alive}") &\necho started\nwait`);
    const events = { runChanged: () => {}, runFinished: () => {}, log: () => {} };
    const engine = new Engine({ runtime: await startBackend('cpu'), mediaDirectory: home, events });
    try {
      const started = new Promise<void>((resolve) => {
        const report = ({ activity }: WorkProgress): void => {
          if (activity.includes('started')) resolve();
        };
        const { signal } = new AbortController();
        void Promise.resolve(engine.handlers().setUpWebgpu({}, { signal, report })).catch(() => {});
      });
      await started;
      expect(engine.isBusy).toBe(true);
      await engine.stop();
      expect(engine.isBusy).toBe(false);
      expect(await readdir(path.dirname(folder))).toEqual([]);
      await new Promise((resolve) => setTimeout(resolve, 2500));
      expect(await readdir(home)).not.toContain('alive');
    } finally {
      delete process.env.DCNET_WEBGPU;
    }
  });

  it('installs what loads, also where it finds no GPU; what its forerunner did counts no more', async () => {
    vi.stubEnv('XDG_DATA_HOME', home);
    const ended = spawnSync(process.execPath, ['--version']).pid;
    const mark = path.join(userDataFolder(), `runtime-load-webgpu-${ended}.json`);
    await mkdir(userDataFolder(), { recursive: true });
    await writeFile(mark, await markNow('load', 'webgpu'));
    const installed = path.resolve(library);
    await npm(
      `/bin/mkdir -p ${library}\n/bin/cp ${installed}/dawn.node ${library}/\necho half > "$TMPDIR/half"`,
    );
    const { VK_DRIVER_FILES, VK_ICD_FILENAMES } = process.env;
    process.env.VK_DRIVER_FILES = process.env.VK_ICD_FILENAMES = '/nowhere.json';
    try {
      expect(await setUp()).toEqual({ folder, version: '0.6.2', device: null });
    } finally {
      process.env.VK_DRIVER_FILES = VK_DRIVER_FILES ?? '';
      process.env.VK_ICD_FILENAMES = VK_ICD_FILENAMES ?? '';
      if (VK_DRIVER_FILES === undefined) delete process.env.VK_DRIVER_FILES;
      if (VK_ICD_FILENAMES === undefined) delete process.env.VK_ICD_FILENAMES;
    }
    expect(await readdir(path.dirname(folder))).toEqual(['webgpu']);
    expect(await readdir(folder)).toEqual(['node_modules', 'package.json']);
    expect(existsSync(mark)).toBe(false);
  });
});
