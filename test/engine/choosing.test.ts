import { spawnSync } from 'node:child_process';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { userDataFolder } from '../../src/engine/setup/runtimeFolder.js';
import { describeChoice, startRuntime } from '../../src/engine/startRuntime.js';
import type { TrialOutcome } from '../../src/engine/trial.js';
import type { BackendName, RuntimeReport } from '../../src/protocol/engine.js';
import { markNow } from './backend/marks.js';
import { temporaryFolder } from './data/tinyData.js';

// A machine with three runtimes that compute nothing: what is chosen of them, and what is remembered.
const machine = vi.hoisted(() => ({
  reports: [] as RuntimeReport[],
  speeds: {} as Partial<Record<BackendName, number>>,
  trials: [] as BackendName[],
}));

vi.mock('../../src/engine/backend/backend.js', () => ({
  probeRuntimes: () => Promise.resolve(machine.reports),
  startBackend: (name: BackendName) => Promise.resolve({ name, version: '1', device: 'a stand-in' }),
}));
vi.mock('../../src/engine/trial.js', async (original) => ({
  ...(await original<object>()),
  takeTrial: (name: BackendName): Promise<TrialOutcome> => {
    machine.trials.push(name);
    const imagesPerSecond = machine.speeds[name];
    if (imagesPerSecond === undefined) throw new Error('It had no room');
    return Promise.resolve({ imagesPerSecond, loss: 1 });
  },
}));

const day = 24 * 3_600_000;
const speedsFile = (): string => path.join(userDataFolder(), 'runtime-speeds.json');
const readSpeeds = async () => JSON.parse(await readFile(speedsFile(), 'utf8'));
const changeSpeeds = async (change: object): Promise<void> =>
  writeFile(speedsFile(), JSON.stringify({ ...(await readSpeeds()), ...change }));
const markFile = (name: BackendName, pid: number): string =>
  path.join(userDataFolder(), `runtime-trial-${name}-${pid}.json`);
const marks = async (): Promise<string[]> =>
  (await readdir(userDataFolder())).filter((name) => /^runtime-\w+-\w+-\d+/.test(name));
/** The id of a process that is no more. */
const ended = (): number => spawnSync(process.execPath, ['--version']).pid;

beforeEach(async () => {
  process.env.XDG_DATA_HOME = await temporaryFolder();
  machine.reports = (['tensorflow', 'webgpu', 'wasm', 'cpu'] as const).map((name) => ({
    ...{ name, available: true, version: '1', device: 'a stand-in' },
  }));
  machine.speeds = { tensorflow: 300, webgpu: 900, wasm: 100 };
  machine.trials = [];
});

describe.skipIf(process.platform !== 'linux')('auto', () => {
  test('takes the fastest, by a trial that is made once', async () => {
    expect((await describeChoice(machine.reports)).chosen).toBeUndefined();
    expect((await startRuntime('auto')).why?.choice).toBe(
      'auto: 3.0 × tensorflow and 9.0 × wasm in a trial on this machine',
    );
    expect(machine.trials).toEqual(['tensorflow', 'webgpu', 'wasm']);
    expect((await startRuntime('auto')).name).toBe('webgpu');
    expect(await describeChoice(machine.reports)).toMatchObject({ chosen: 'webgpu' });
    expect(machine.trials).toHaveLength(3);
    expect(await marks(), 'what went well leaves no word').toEqual([]);
  });

  test.each([
    ['of another machine', { machine: 'another' }],
    ['of another network', { version: 1 }],
  ])('measures anew what is %s', async (_, change) => {
    await startRuntime('auto');
    await changeSpeeds({ ...change, imagesPerSecond: { wasm: 9 } });
    expect((await describeChoice(machine.reports)).chosen).toBeUndefined();
    expect((await startRuntime('auto')).name).toBe('webgpu');
    expect((await readSpeeds()).imagesPerSecond).toEqual(machine.speeds);
  });

  test('measures nothing where there is one runtime', async () => {
    machine.reports = machine.reports.map((report) =>
      report.name === 'wasm' || report.name === 'cpu' ? report : { ...report, available: false },
    );
    expect((await startRuntime('auto')).name).toBe('wasm');
    expect(machine.trials).toEqual([]);
  });
});

describe.skipIf(process.platform !== 'linux')('a runtime that fails in its trial', () => {
  test('by taking the process down is dropped by the next one, and told of', async () => {
    await startRuntime('auto');
    const dead = markFile('webgpu', ended());
    await writeFile(dead, await markNow('trial', 'webgpu'));
    await rm(speedsFile());
    const { name, why } = await startRuntime('auto');
    expect(name).toBe('tensorflow');
    expect(why?.others).toContainEqual({
      name: 'webgpu',
      why: 'its trial failed: a process ended in it (it crashed, or was killed)',
    });

    await rename(dead, markFile('webgpu', process.ppid));
    await rm(speedsFile());
    await startRuntime('auto');
    expect((await readSpeeds()).failures, 'a trial under way in a living process is no failure').toEqual({});
  });

  test('is left out and told of, and tried again a day later', async () => {
    machine.speeds = { tensorflow: 300, wasm: 100 };
    const { name, why } = await startRuntime('auto');
    expect(name).toBe('tensorflow');
    expect(why?.others).toContainEqual({ name: 'webgpu', why: 'its trial failed: It had no room' });
    machine.speeds.webgpu = 900;
    expect((await startRuntime('auto')).name).toBe('tensorflow');
    await changeSpeeds({ measuredAt: Date.now() - 1.1 * day });
    expect((await startRuntime('auto')).name).toBe('webgpu');
    expect((await readSpeeds()).failures).toEqual({});
  });
});
