import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { probeRuntimes } from '../../src/engine/backend/backend.js';
import { userDataFolder } from '../../src/engine/setup/runtimeFolder.js';
import { describeChoice, startRuntime } from '../../src/engine/startRuntime.js';
import { testBackend } from './backends.js';
import { temporaryFolder } from './data/tinyData.js';

const speedsFile = (): string => path.join(userDataFolder(), 'runtime-speeds.json');

beforeEach(async () => {
  process.env.XDG_DATA_HOME = await temporaryFolder();
});

describe.skipIf(process.platform !== 'linux')('auto', () => {
  test('takes the only runtime there is without a trial', async ({ skip }) => {
    if (testBackend === 'tensorflow') skip('there are two runtimes here'); // a simulated GPU is none
    expect((await startRuntime('auto')).name).toBe('wasm');
    await expect(readFile(speedsFile())).rejects.toThrow('ENOENT');
    expect(await describeChoice(await probeRuntimes())).toEqual({ chosen: 'wasm', imagesPerSecond: {} });
  });

  test('takes the faster of two, by a trial that is made once', async ({ skip }) => {
    if (testBackend !== 'tensorflow') skip('there is one runtime here');
    expect((await describeChoice(await probeRuntimes())).chosen).toBeUndefined();
    const chosen = (await startRuntime('auto')).name;
    const speeds = JSON.parse(await readFile(speedsFile(), 'utf8'));
    const { wasm, tensorflow } = speeds.imagesPerSecond;
    expect(wasm).toBeGreaterThan(10);
    expect(tensorflow).toBeGreaterThan(10);
    expect(chosen).toBe(wasm > tensorflow ? 'wasm' : 'tensorflow');

    const slow = chosen === 'wasm' ? 'tensorflow' : 'wasm';
    await writeFile(speedsFile(), JSON.stringify({ ...speeds, imagesPerSecond: { [slow]: 9, [chosen]: 1 } }));
    expect((await startRuntime('auto')).name).toBe(slow);
    expect(await describeChoice(await probeRuntimes())).toMatchObject({ chosen: slow });

    await writeFile(
      speedsFile(),
      JSON.stringify({ ...speeds, machine: 'another', imagesPerSecond: { [slow]: 9 } }),
    );
    await startRuntime('auto');
    expect(Object.keys(JSON.parse(await readFile(speedsFile(), 'utf8')).imagesPerSecond)).toHaveLength(2);
  });
});
