import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, expect, test, vi } from 'vitest';
import { generateRandomPipeName } from 'vscode-jsonrpc/node';
import { runStateSchema } from '../../../src/core/run/run.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { describeOn } from '../backends.js';
import { temporaryFolder } from '../data/tinyData.js';
import { mediaDirectory, TinyProject } from '../training/support.js';
import { connect } from './client.js';

/** A program's start that has it lose its device by a signal, as a driver may do at any time. */
const loseBySignal = `
  Object.defineProperty(globalThis, 'GPUAdapter', {
    configurable: true,
    set(value) {
      Object.defineProperty(globalThis, 'GPUAdapter', { value });
      const { requestDevice } = value.prototype;
      value.prototype.requestDevice = function (...given) {
        const device = requestDevice.apply(this, given);
        device.then((device) => process.on('SIGUSR2', () => device.destroy()));
        return device;
      };
    },
  });
`;
const toldLoss =
  /The GPU’s device was lost: .*destroyed.*\. Resume the run: it goes on from its newest checkpoint\./;

describeOn('webgpu', 'a device that is lost', () => {
  const ends: (() => void)[] = [];
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  async function start(program: string, args: readonly string[]) {
    const preload = path.join(await temporaryFolder(), 'lose.cjs');
    await writeFile(preload, loseBySignal);
    const child = spawn(process.execPath, ['--require', preload, program, ...args]);
    ends.push(() => child.kill('SIGKILL'));
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    return { child, exited: once(child, 'exit'), stderr: () => stderr };
  }

  test('ends the engine with its cause in each run’s folder, and the run goes on in another process', async () => {
    const project = await TinyProject.create('cpu');
    const socket = generateRandomPipeName();
    const presence = path.join(project.directory, 'engine.json');
    const flags = ['--backend', 'webgpu', '--media', mediaDirectory];
    const engine = await start('dist/engine.js', ['--socket', socket, '--presence', presence, ...flags]);
    await vi.waitUntil(() => readFile(presence).catch(() => undefined), { timeout: 45_000 });
    const { remote, states } = await connect(socket);
    const { runDirectory } = await remote.request('startRun', project.request({ epochs: 100_000 }));
    await vi.waitUntil(() => (states.at(-1)?.epoch ?? 0) > 1, { timeout: 45_000 });
    engine.child.kill('SIGUSR2');
    expect(await engine.exited).toEqual([1, null]);
    expect(engine.stderr()).toMatch(toldLoss);
    const state = runStateSchema.parse(
      JSON.parse(await readFile(path.join(runDirectory, 'state.json'), 'utf8')),
    );
    expect(state).toMatchObject({ status: 'failed', error: { code: 'engine' } });
    expect(state.error?.message).toMatch(/The GPU’s device was lost: .*destroyed/);

    const next = await project.resume(runDirectory, {}, 12);
    expect(next.steps).toBeGreaterThan(state.stepsPerEpoch ?? 0);
  });

  test('fails a training of the command line, by its first read', async () => {
    const project = await TinyProject.create('cpu');
    const config = await project.writeConfig({ epochs: 100_000 });
    const flags = ['--backend', 'webgpu', '--media', mediaDirectory, '--json'];
    const { child, exited, stderr } = await start('dist/cli.js', ['train', config, ...flags]);
    await vi.waitUntil(() => stderr().includes('epoch 2/'), { timeout: 45_000 });
    child.kill('SIGUSR2');
    expect(await exited).toEqual([1, null]);
    expect(stderr()).toMatch(toldLoss);
  });

  // The last: nothing computes on webgpu in this process any more.
  test('is told where values are read', async () => {
    await startBackend('webgpu');
    const { device } = tf.backend() as unknown as { device: GPUDevice };
    device.destroy();
    await expect(tf.square(tf.ones([3])).data()).rejects.toMatchObject({
      details: { code: 'engine', message: expect.stringMatching(/^The GPU’s device was lost: .*destroyed/) },
    });
    expect(() => tf.square(tf.ones([3])).dataSync()).toThrow('The GPU’s device was lost');
  });
});
