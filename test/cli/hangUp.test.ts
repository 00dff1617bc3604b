import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { type RunState, runStateSchema } from '../../src/core/run/run.js';
import { isProcessAlive } from '../../src/engine/training/processes.js';
import { temporaryFolder, writeTinyData } from '../engine/data/tinyData.js';
import { mediaDirectory, TinyProject } from '../engine/training/support.js';
import { start } from './command.js';

const engineFlags = ['--backend', 'wasm', '--media', mediaDirectory];
/** Runs a program in a terminal of its own (util-linux), which goes with it. */
const terminal = '/usr/bin/script';

async function stateOf(run: string): Promise<RunState | undefined> {
  const text = await readFile(path.join(run, 'state.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : runStateSchema.parse(JSON.parse(text));
}

/** A training that ends only when it is told to, which has taken a step. */
async function training(begin: (config: string) => void): Promise<{ run: string; pid: number }> {
  const project = await TinyProject.create('cpu');
  const run = path.join(project.runsDirectory, 'a');
  begin(await project.writeConfig({ epochs: 100_000 }));
  const pid = await vi.waitUntil(
    async () => {
      const state = await stateOf(run);
      return state !== undefined && state.step > 0 && state.pid;
    },
    { timeout: 30_000 },
  );
  return { run, pid };
}

async function expectStopped(run: string): Promise<void> {
  const state = await vi.waitUntil(
    async () => {
      const now = await stateOf(run);
      return now?.status === 'stopped' && now;
    },
    { timeout: 30_000 },
  );
  expect(state.step).toBeGreaterThan(0);
  expect((await readdir(path.join(run, 'checkpoints'))).length).toBeGreaterThan(0);
  expect(existsSync(path.join(run, 'summary.json'))).toBe(true);
}

describe.skipIf(process.platform === 'win32')('a training', () => {
  const args = (config: string): readonly string[] => ['train', config, '--name', 'a', ...engineFlags];

  test.each(['SIGHUP', 'SIGTERM'] as const)(
    'that gets %s twice stops once, with a checkpoint',
    async (signal) => {
      let started: ReturnType<typeof start> | undefined;
      const { run } = await training((config) => {
        started = start([...args(config), '--json']);
      });
      started!.child.kill(signal);
      started!.child.kill(signal);
      const { exitCode, stdout, stderr } = await started!.ended;
      expect(exitCode, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ status: 'stopped' });
      await expectStopped(run);
    },
  );

  test('whose reader leaves its pipe stops, with a checkpoint', async () => {
    let started: ReturnType<typeof start> | undefined;
    const { run } = await training((config) => {
      started = start(args(config));
    });
    started!.child.stdout!.destroy();
    const { exitCode, stderr } = await started!.ended;
    expect(exitCode, stderr).toBe(0);
    await expectStopped(run);
  });

  test.skipIf(process.platform !== 'linux' || !existsSync(terminal))(
    'whose terminal is closed leaves a checkpoint',
    async () => {
      let child: ChildProcess | undefined;
      const { run, pid } = await training((config) => {
        const words = [process.execPath, path.resolve('dist/cli.js'), ...args(config)];
        const command = words.map((word) => `'${word}'`).join(' ');
        child = spawn(terminal, ['-qec', command, '/dev/null'], { stdio: ['pipe', 'ignore', 'ignore'] });
      });
      child!.kill('SIGKILL');
      await expectStopped(run);
      await vi.waitUntil(() => !isProcessAlive(pid), { timeout: 30_000 });
    },
  );
});

test.skipIf(process.platform === 'win32')(
  'an experiment that gets SIGHUP reports what is there, and its training leaves a checkpoint',
  async () => {
    const directory = await temporaryFolder();
    await mkdir(path.join(directory, 'data'));
    await writeTinyData(path.join(directory, 'data'), { train: 128, test: 40 });
    const what = ['reproduce', 'table2', '--only', 'plain', '--steps', '100000', '--parallel', '1'];
    const { child, ended } = start([...what, '--data', 'data', '--json', ...engineFlags], { directory });
    const folder = path.join(directory, 'reproduce', 'table2-small');
    const run = path.join(folder, 'runs', 'plain-seed1');
    await vi.waitUntil(async () => ((await stateOf(run))?.step ?? 0) > 0, { timeout: 30_000 });
    child.kill('SIGHUP');
    const { exitCode, stdout } = await ended;
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'cancelled' } });
    expect(await readFile(path.join(folder, 'table2.md'), 'utf8')).toContain('**Stopped before the end.**');
    await expectStopped(run);
  },
);
