import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { environmentSchema } from '../../src/core/run/run.js';
import { userDataFolder } from '../../src/engine/setup/runtimeFolder.js';
import { doctorReportSchema, type RuntimeReport } from '../../src/protocol/engine.js';
import { temporaryFolder } from '../engine/data/tinyData.js';
import { mediaDirectory, TinyProject } from '../engine/training/support.js';
import { dcnet, type Ended, start } from './command.js';

const packageName = '@tensorflow/tfjs-node-gpu';
/** What was measured, and what failed. */
const speedsFile = (): string => path.join(userDataFolder(), 'runtime-speeds.json');
/** Marks of processes that are loading a library, or were when they ended. */
const marks = async (name: string): Promise<string[]> =>
  (await readdir(userDataFolder()))
    .filter((file) => file.startsWith(`runtime-load-${name}-`))
    .map((file) => path.join(userDataFolder(), file));

/** The TensorFlow package of the runtime folder. */
let installed: string;

beforeEach(async () => {
  vi.stubEnv('XDG_DATA_HOME', await temporaryFolder());
  const folder = await temporaryFolder();
  vi.stubEnv('DCNET_RUNTIME', folder);
  installed = path.join(folder, 'node_modules', packageName);
  await mkdir(installed, { recursive: true });
  await writeFile(path.join(installed, 'package.json'), '{ "version": "4.22.0", "main": "index.js" }');
  await library('process.abort();');
});
afterEach(() => vi.unstubAllEnvs());

async function library(script: string): Promise<void> {
  await writeFile(path.join(installed, 'index.js'), script);
}

async function reportOf(name: string): Promise<RuntimeReport | undefined> {
  const { stdout } = await dcnet('doctor', '--json');
  return doctorReportSchema.parse(JSON.parse(stdout)).runtimes.find((runtime) => runtime.name === name);
}

/** A stand-in is found only where the project has none of its own. */
function hasOwnTensorflow(): boolean {
  try {
    createRequire(path.resolve('dist/cli.js')).resolve(`${packageName}/package.json`);
    return true;
  } catch {
    return false;
  }
}

const leftOut = (name: string): RegExp =>
  new RegExp(
    `^a process ended while it loaded ${name}’s library \\(it crashed, or was killed\\): left out until [\\d-]+ [\\d:]+ UTC. Run dcnet setup ${name} `,
  );

describe.skipIf(process.platform !== 'linux' || hasOwnTensorflow())('a native library that aborts', () => {
  test('when it loads is left out by the next start, which says so in the run’s record', async () => {
    const project = await TinyProject.create('cpu');
    const config = await project.writeConfig();
    const train = (): Promise<Ended> =>
      dcnet('train', config, '--backend', 'auto', '--media', mediaDirectory, '--json');
    expect((await train()).exitCode, 'it aborts').toBeNull();
    const second = await train();
    expect(second.exitCode, second.stderr).toBe(0);
    const { run } = JSON.parse(second.stdout) as { run: string };
    const { runtime } = environmentSchema.parse(
      JSON.parse(await readFile(path.join(run, 'environment.json'), 'utf8')),
    );
    expect(runtime?.name).not.toBe('tensorflow');
    expect(runtime?.others).toContainEqual({
      name: 'tensorflow',
      why: expect.stringMatching(leftOut('tensorflow')),
    });
    expect(await marks('webgpu'), 'what loaded leaves no word').toEqual([]);
  });

  test('is tried again a day later, and by its name at once, and counts no more once it loads', async () => {
    const project = await TinyProject.create('cpu');
    const config = await project.writeConfig();
    const byName = (): Promise<Ended> =>
      dcnet('train', config, '--backend', 'tensorflow', '--media', mediaDirectory);
    expect(await reportOf('tensorflow').catch(() => 'no answer')).toBe('no answer');
    expect(await reportOf('tensorflow')).toMatchObject({ available: false });
    expect((await byName()).exitCode, 'by its name').toBeNull();

    for (const mark of await marks('tensorflow')) {
      const told = JSON.parse(await readFile(mark, 'utf8'));
      await writeFile(mark, JSON.stringify({ ...told, startedAt: Date.now() - 24.1 * 3_600_000 }));
    }
    expect(await reportOf('tensorflow').catch(() => 'no answer'), 'a day later').toBe('no answer');

    await library('throw new Error("It lacks something.");');
    expect((await reportOf('tensorflow'))?.reason).toMatch(leftOut('tensorflow'));
    expect((await byName()).stderr).toContain('does not load (It lacks something.)');
    expect((await reportOf('tensorflow'))?.reason).toContain('does not load (It lacks something.)');
  });

  test('is not loaded where --tensorflow names another folder', async () => {
    const folder = await temporaryFolder();
    const other = path.join(folder, 'node_modules', packageName);
    await mkdir(other, { recursive: true });
    const refused = await dcnet('doctor', '--tensorflow', path.join(folder, 'node_modules'));
    expect([refused.exitCode, refused.stderr]).toEqual([
      2,
      expect.stringMatching(
        /There is no TensorFlow runtime in .*dcnet setup tensorflow --tensorflow <folder>/,
      ),
    ]);
    await writeFile(path.join(other, 'package.json'), '{ "version": "4.22.0", "main": "index.js" }');
    await writeFile(path.join(other, 'index.js'), 'throw new Error("It is the other one.");');
    const { exitCode, stdout } = await dcnet('doctor', '--tensorflow', folder);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('does not load (It is the other one.)')]);
  });

  test('of WebGPU is left out, too, also where fp16 leaves no other', async () => {
    await library('throw new Error("It lacks something.");');
    expect((await dcnet('doctor')).exitCode).toBe(0);
    await library('process.abort();');
    expect((await dcnet('doctor')).exitCode).toBeNull();
    // What the library of TensorFlow left, as one of WebGPU had: the project's own Dawn loads.
    const [mark = ''] = await marks('tensorflow');
    await writeFile(mark.replace('tensorflow', 'webgpu'), await readFile(mark));
    expect((await reportOf('webgpu'))?.reason).toMatch(leftOut('webgpu'));
    const project = await TinyProject.create('cpu');
    const config = await project.writeConfig();
    const { exitCode, stderr } = await dcnet('train', config, '--precision', 'fp16');
    expect(exitCode).toBe(2);
    expect(stderr).toContain('In fp16 only webgpu computes: a process ended while it loaded webgpu’s');
  });

  test('is not what ends the process by a signal while it loads', async () => {
    await library(`
      require('fs').writeFileSync(${JSON.stringify(path.join(installed, 'loading'))}, '');
      for (const until = Date.now() + 2000; Date.now() < until; );
    `);
    const { child, ended } = start(['doctor']);
    await vi.waitUntil(() => existsSync(path.join(installed, 'loading')), { timeout: 20_000 });
    expect(await marks('tensorflow')).toHaveLength(1);
    child.kill('SIGINT');
    expect((await ended).exitCode).toBeNull();
    expect(child.signalCode).toBe('SIGINT');
    expect(await marks('tensorflow')).toEqual([]);
  });
});

describe.skipIf(process.platform !== 'linux' || hasOwnTensorflow())('a runtime that loads', () => {
  /** It registers a backend of which this is done when it is set: after its loading, in its trial or start. */
  const settingIt = (deed: string): Promise<void> =>
    library(`
      global._tfengine.registerBackend('tensorflow', () => ({ dispose() {}, numDataIds: () => 0 }));
      global._tfGlobals.get('kernelRegistry').set('tensorflow_Setting', {
        kernelName: 'Setting', backendName: 'tensorflow', kernelFunc() {}, setupFunc() { ${deed} },
      });
    `);
  /** As after a trial that it was the fastest in. */
  async function measureAsFastest(): Promise<void> {
    const speeds = JSON.parse(await readFile(speedsFile(), 'utf8'));
    await writeFile(
      speedsFile(),
      JSON.stringify({ ...speeds, imagesPerSecond: { tensorflow: 9, wasm: 1 }, failures: {} }),
    );
  }
  const ended = 'a process ended in it (it crashed, or was killed)';

  test('and aborts or throws when it is set costs that start alone: the next fastest takes its place', async () => {
    const project = await TinyProject.create('cpu');
    const config = await project.writeConfig();
    const train = (): Promise<Ended> =>
      dcnet('train', config, '--backend', 'auto', '--media', mediaDirectory, '--json', '--no-inspection');
    const trainOnWasm = async (why: string): Promise<void> => {
      const { exitCode, stdout, stderr } = await train();
      expect(exitCode, stderr).toBe(0);
      const { run } = JSON.parse(stdout) as { run: string };
      const { runtime } = environmentSchema.parse(
        JSON.parse(await readFile(path.join(run, 'environment.json'), 'utf8')),
      );
      expect(runtime?.name).toBe('wasm');
      expect(runtime?.others).toContainEqual({ name: 'tensorflow', why });
    };
    await settingIt('process.abort();');
    expect((await train()).exitCode, 'it aborts in its trial').toBeNull();
    await trainOnWasm(`its trial failed: ${ended}`);

    await measureAsFastest();
    expect((await train()).exitCode, 'it aborts in its start').toBeNull();
    expect(await reportOf('tensorflow')).toMatchObject({
      available: true,
      reason: `auto leaves it out for a day: its start failed: ${ended}`,
    });
    await trainOnWasm(`its start failed: ${ended}`);

    await measureAsFastest();
    await settingIt('throw new Error("CUDA_ERROR_OUT_OF_MEMORY");');
    await trainOnWasm('its start failed: The tensorflow backend did not start: CUDA_ERROR_OUT_OF_MEMORY');
    const byName = await dcnet('train', config, '--backend', 'tensorflow', '--media', mediaDirectory);
    expect(byName.exitCode).toBe(2);
    expect(byName.stderr).toContain('The tensorflow backend did not start: CUDA_ERROR_OUT_OF_MEMORY');
    expect((await dcnet('doctor')).stdout).toMatch(
      /✓ tensorflow .*\(auto leaves it out for a day: its start/,
    );
  }, 180_000);
});
