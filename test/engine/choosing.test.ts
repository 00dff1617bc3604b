import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
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
  /** What starting one throws, and what computing with one that started does. */
  startErrors: {} as Partial<Record<BackendName, string>>,
  computeErrors: {} as Partial<Record<BackendName, string>>,
  starts: [] as BackendName[],
}));

vi.mock('../../src/engine/backend/backend.js', () => ({
  probeRuntimes: () => Promise.resolve(machine.reports),
  startBackend: async (name: BackendName) => {
    machine.starts.push(name);
    if (machine.startErrors[name] !== undefined) throw new Error(machine.startErrors[name]);
    return { name, version: '1', device: 'a stand-in' };
  },
  proveBackend: async () => {
    const message = machine.computeErrors[machine.starts.at(-1)!];
    if (message !== undefined) throw new Error(message);
  },
}));
vi.mock('../../src/engine/backend/webgpu.js', () => ({
  probeWebgpu: async () => machine.reports.find(({ name }) => name === 'webgpu'),
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
const markFile = (name: BackendName, pid: number, stage = 'trial'): string =>
  path.join(userDataFolder(), `runtime-${stage}-${name}-${pid}.json`);
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
  Object.assign(machine, { trials: [], starts: [], startErrors: {}, computeErrors: {} });
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
    await changeSpeeds({ changedAt: Date.now() - 1.1 * day });
    expect((await startRuntime('auto')).name).toBe('webgpu');
    expect((await readSpeeds()).failures).toEqual({});
  });
});

describe.skipIf(process.platform !== 'linux')('a runtime that was measured and does not start', () => {
  const device = 'Card 9 cannot be used: it is out of memory';
  const lookTo = async (runtime: BackendName) => {
    const { chosen, choice, failures, imagesPerSecond } = await describeChoice(machine.reports);
    expect(chosen).toBe(runtime);
    expect(Object.keys(imagesPerSecond)).not.toContain('webgpu');
    expect(choice).toBe('auto: 3.0 × wasm in a trial on this machine');
    return failures;
  };

  test('gives its place to the next fastest, is told of, and is tried again a day later', async () => {
    await startRuntime('auto');
    machine.startErrors = { webgpu: device };
    const { name, why } = await startRuntime('auto');
    expect(name).toBe('tensorflow');
    expect(why?.choice).toBe('auto: 3.0 × wasm in a trial on this machine');
    expect(why?.others).toContainEqual({ name: 'webgpu', why: `its start failed: ${device}` });
    expect(await lookTo('tensorflow')).toEqual({ webgpu: `its start failed: ${device}` });

    machine.startErrors = {};
    machine.starts = [];
    expect((await startRuntime('auto')).name).toBe('tensorflow');
    expect(machine.starts).toEqual(['tensorflow']);
    await changeSpeeds({ changedAt: Date.now() - 1.1 * day });
    expect((await startRuntime('auto')).name).toBe('webgpu');
    expect(await marks()).toEqual([]);
  });

  test('also where it starts and then does not compute', async () => {
    await startRuntime('auto');
    machine.computeErrors = { webgpu: 'a product is 0, not 96.', tensorflow: 'CUDA_ERROR_OUT_OF_MEMORY' };
    const { name, why } = await startRuntime('auto');
    expect(name).toBe('wasm');
    expect(why?.choice).toBe('auto: nothing faster runs here');
    expect(why?.others.slice(0, 2)).toEqual([
      { name: 'tensorflow', why: 'its start failed: CUDA_ERROR_OUT_OF_MEMORY' },
      { name: 'webgpu', why: 'its start failed: a product is 0, not 96.' },
    ]);
  });

  test('by taking the process down is left out by the next one, and the doctor says so before', async () => {
    await startRuntime('auto');
    const dead = markFile('webgpu', ended(), 'start');
    await writeFile(dead, await markNow('start', 'webgpu'));
    const told = { webgpu: 'its start failed: a process ended in it (it crashed, or was killed)' };
    expect(await lookTo('tensorflow')).toEqual(told);
    const { name, why } = await startRuntime('auto');
    expect(name).toBe('tensorflow');
    expect(why?.others).toContainEqual({ name: 'webgpu', why: told.webgpu });
    expect((await readSpeeds()).failures).toEqual(told);
    expect(await marks(), 'it is noted').toEqual([]);
    expect(machine.trials, 'nothing is measured anew').toHaveLength(3);
  });

  test('leaves a word while it is started', async () => {
    await startRuntime('auto');
    let during: string[] = [];
    Object.defineProperty(machine.startErrors, 'webgpu', {
      get: () => {
        during = readdirSync(userDataFolder());
        return undefined;
      },
    });
    await startRuntime('auto');
    expect(during).toContain(path.basename(markFile('webgpu', process.pid, 'start')));
  });

  test('is an error where it was asked for by its name, and where none is left, which are measured anew then', async () => {
    await startRuntime('auto');
    machine.startErrors = { webgpu: device };
    await expect(startRuntime('webgpu')).rejects.toThrow(device);
    machine.startErrors = { webgpu: device, tensorflow: 'no', wasm: 'neither' };
    await expect(startRuntime('auto')).rejects.toThrow(
      `No runtime works here: webgpu: its start failed: ${device}; tensorflow: its start failed: no; wasm: its start failed: neither.`,
    );
    machine.startErrors = {};
    expect((await startRuntime('auto')).name).toBe('webgpu');
  });

  test('in fp16, which no other has, is told of and left out for a day', async () => {
    await writeFile(markFile('webgpu', ended(), 'start'), await markNow('start', 'webgpu'));
    await expect(startRuntime('auto', 'fp16')).rejects.toThrow(
      'In fp16 only webgpu computes: its start failed less than a day ago: a process ended in it (it crashed, or was killed). Name it',
    );
    await startRuntime('webgpu', 'fp16');
  });

  test('in fp16 takes no simulated GPU either, but where webgpu is named', async () => {
    const device = 'CPU (SwiftShader: a program that stands in for a GPU)';
    machine.reports = [{ name: 'webgpu', available: true, simulated: true, device }];
    await expect(startRuntime('auto', 'fp16')).rejects.toThrow(
      `In fp16 only webgpu computes, which has no GPU here: ${device}.`,
    );
    expect(machine.starts).toEqual([]);
    machine.reports = [{ name: 'webgpu', available: true, simulated: false, device: 'Card 9' }];
    expect((await startRuntime('auto', 'fp16')).name).toBe('webgpu');
    await startRuntime('webgpu', 'fp16');
  });
});
