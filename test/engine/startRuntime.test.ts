import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { explainRuntime, runtimeParagraph } from '../../src/core/run/runtime.js';
import { probeRuntimes } from '../../src/engine/backend/backend.js';
import { autoChose, judgeTrials, recordOf } from '../../src/engine/runtimeChoice.js';
import { userDataFolder } from '../../src/engine/setup/runtimeFolder.js';
import { describeChoice, startRuntime } from '../../src/engine/startRuntime.js';
import type { TrialOutcome } from '../../src/engine/trial.js';
import { type BackendName, backendNameSchema, type RuntimeReport } from '../../src/protocol/engine.js';
import { testBackend } from './backends.js';
import { temporaryFolder } from './data/tinyData.js';

const speedsFile = (): string => path.join(userDataFolder(), 'runtime-speeds.json');

beforeEach(async () => {
  process.env.XDG_DATA_HOME = await temporaryFolder();
});

describe.skipIf(process.platform !== 'linux')('auto', () => {
  test('takes the only runtime there is without a trial', async ({ skip }) => {
    if (testBackend === 'tensorflow') skip('there are two runtimes here'); // a simulated GPU is none
    const { name, why } = await startRuntime('auto');
    expect(name).toBe('wasm');
    expect(why?.choice).toBe('auto: nothing faster runs here');
    expect(why?.others.map((other) => [other.name, other.why])).toEqual([
      ['tensorflow', expect.stringMatching(/is not installed: run dcnet setup tensorflow/)],
      ['webgpu', expect.stringMatching(/no GPU was found|simulates|not installed/)],
      ['cpu', expect.stringMatching(/as the reference for tests/)],
    ]);
    await expect(readFile(speedsFile())).rejects.toThrow('ENOENT');
    expect(await describeChoice(await probeRuntimes())).toEqual({
      chosen: 'wasm',
      choice: 'auto: nothing faster runs here',
      imagesPerSecond: {},
      failures: {},
    });
  });

  test('takes the faster of two, by a trial that is made once', async ({ skip }) => {
    if (testBackend !== 'tensorflow') skip('there is one runtime here');
    expect((await describeChoice(await probeRuntimes())).chosen).toBeUndefined();
    const chosen = (await startRuntime('auto')).name;
    const speeds = JSON.parse(await readFile(speedsFile(), 'utf8'));
    const { wasm, tensorflow } = speeds.imagesPerSecond;
    expect(wasm).toBeGreaterThan(0);
    expect(tensorflow).toBeGreaterThan(0);
    expect(chosen).toBe(wasm > tensorflow ? 'wasm' : 'tensorflow');

    const slow = chosen === 'wasm' ? 'tensorflow' : 'wasm';
    await writeFile(speedsFile(), JSON.stringify({ ...speeds, imagesPerSecond: { [slow]: 9, [chosen]: 1 } }));
    expect((await startRuntime('auto')).name).toBe(slow);
    expect(await describeChoice(await probeRuntimes())).toMatchObject({ chosen: slow });
  }, 120_000);
});

describe('what is told of a choice', () => {
  const reports: readonly RuntimeReport[] = [
    { name: 'tensorflow', available: true, version: '4.22.0', device: 'CPU' },
    { name: 'wasm', available: true, version: '4.22.0', device: 'CPU' },
    { name: 'cpu', available: true, version: '4.22.0', device: 'CPU' },
    { name: 'webgpu', available: false, reason: 'no GPU was found.' },
  ];

  test('is the ratio of the trial, and why no other computes', () => {
    expect(
      autoChose('tensorflow', reports, { imagesPerSecond: { tensorflow: 630, wasm: 300 }, failures: {} }),
    ).toEqual({
      choice: 'auto: 2.1 × wasm in a trial on this machine',
      others: [
        { name: 'wasm', why: 'it runs here, at 0.48 × the speed of tensorflow in the trial' },
        { name: 'cpu', why: 'it runs here, as the reference for tests: some hundred times slower' },
        { name: 'webgpu', why: 'no GPU was found.' },
      ],
    });
  });

  test('is that of the trials that went well', () => {
    const trials = judgeTrials(
      new Map<BackendName, TrialOutcome | Error>([
        ['wasm', { imagesPerSecond: 300, loss: 2 }],
        ['tensorflow', new Error('the device was lost')],
        ['webgpu', { imagesPerSecond: 9000, loss: Number.NaN }],
      ]),
    );
    expect(trials.imagesPerSecond).toEqual({ wasm: 300 });
    expect(judgeTrials(new Map([['webgpu', { imagesPerSecond: 9, loss: 7 }]])).failures).toEqual({});
    const told = autoChose('wasm', [...reports.slice(0, 3), { name: 'webgpu', available: true }], trials);
    expect(told.choice).toBe('auto: nothing faster runs here');
    expect(told.others.map(({ why }) => why)).toEqual([
      'its trial failed: the device was lost',
      'it runs here, as the reference for tests: some hundred times slower',
      'it computes wrongly here: its trial ended at a loss of NaN, wasm’s at 2',
    ]);
  });

  test('is the name, where one was asked for', async () => {
    const record = recordOf(await startRuntime('cpu'));
    expect(record).toMatchObject({ name: 'cpu', choice: 'name: cpu was asked for' });
    expect(record.others.map(({ name }) => name)).toEqual(
      backendNameSchema.options.filter((name) => name !== 'cpu'),
    );
    expect(explainRuntime(record).slice(0, 2)).toEqual([
      'Chosen by name: cpu was asked for.',
      'Not wasm: not looked at, since cpu was asked for.',
    ]);
    expect(runtimeParagraph({ ...record, others: [{ name: 'wasm', why: 'It is off.' }] })).toMatch(
      /^cpu \S+ on .+[^.]\. Chosen by name: cpu was asked for\. Not wasm: It is off\.$/,
    );
  });
});
