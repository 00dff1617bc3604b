import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { generateRandomPipeName } from 'vscode-jsonrpc/node';
import { type RunState, runStateSchema } from '../../../src/core/run/run.js';
import { enginePresenceSchema, protocolVersion } from '../../../src/protocol/engine.js';
import { testBackend } from '../backends.js';
import { mediaDirectory, TinyProject } from '../training/support.js';
import { connect } from './client.js';

const bundle = path.resolve('dist/engine.js');
/** How long anything here may take before it counts as hanging. */
const patienceMs = 30_000;

let project: TinyProject;
const children: ChildProcess[] = [];

beforeAll(() => {
  if (!existsSync(bundle)) throw new Error(`${bundle} is not there: run npm run build first.`);
});
beforeEach(async () => {
  project = await TinyProject.create();
});
afterEach(() => {
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
});

interface EngineProcess {
  readonly child: ChildProcess;
  readonly socket: string;
  readonly presenceFile: string;
  readonly log: () => string;
  readonly exited: Promise<number | null>;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + patienceMs; !(await condition()); await delay(20))
    if (Date.now() > deadline) throw new Error('It did not happen in time.');
}

async function launch(
  limits: { idle?: number; orphan?: number } = {},
  socket = generateRandomPipeName(),
): Promise<EngineProcess> {
  const presenceFile = path.join(project.directory, 'engine.json');
  const child = spawn(process.execPath, [
    bundle,
    ...['--socket', socket],
    ...['--presence', presenceFile],
    ...['--backend', testBackend],
    ...['--media', mediaDirectory],
    ...['--idle-limit-ms', String(limits.idle ?? 20_000)],
    ...['--orphan-limit-ms', String(limits.orphan ?? 20_000)],
  ]);
  children.push(child);
  let log = '';
  child.stderr.on('data', (text) => {
    log += text;
  });
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  await until(() => existsSync(presenceFile) || child.exitCode !== null);
  return { child, socket, presenceFile, log: () => log, exited };
}

const stateOf = async (run: string): Promise<RunState> =>
  runStateSchema.parse(JSON.parse(await readFile(path.join(run, 'state.json'), 'utf8')));

/** So long that it is surely under way when it is stopped. */
const longRun = { epochs: 100_000 };

describe('the engine process', () => {
  it('answers everything in its contract', async () => {
    const engine = await launch();
    const presence = enginePresenceSchema.parse(JSON.parse(await readFile(engine.presenceFile, 'utf8')));
    expect(presence).toEqual({ protocolVersion, pid: engine.child.pid, socket: engine.socket });
    const { remote, states, summaries, leave } = await connect(engine.socket);

    expect(await remote.request('hello', {})).toMatchObject({
      pid: engine.child.pid,
      runtime: { name: testBackend, choice: `name: ${testBackend} was asked for` },
    });
    expect(await remote.request('doctor', {})).toMatchObject({ node: process.version });
    const { configFile, configText, runsDirectory } = project.request();
    expect(await remote.request('describeData', { configFile, configText })).toMatchObject({
      shape: [8, 8, 1],
      classes: 4,
      trainImages: 60,
    });

    const { runDirectory, state } = await remote.request('startRun', {
      configFile,
      configText,
      runsDirectory,
    });
    expect(state).toMatchObject({ name: 'tiny-001', status: 'preparing' });
    await until(() => summaries.length > 0);
    expect(summaries).toEqual([expect.objectContaining({ status: 'completed', steps: 12 })]);
    expect(states.map(({ status }) => status)).toContain('running');
    await until(() => states.at(-1)?.status === 'completed');

    // Looked into of its own accord, so that the panel opens at once.
    const stored = path.join(runDirectory, 'inspections', 'epoch-0003.test.json');
    await until(() => existsSync(stored));
    const checkpoint = path.join(runDirectory, summaries[0]!.checkpoint!);
    const inspected = await remote.request('inspect', { checkpoint, split: 'test' });
    expect(inspected).toEqual({ ...JSON.parse(await readFile(stored, 'utf8')), checkpoint });
    expect(inspected).toMatchObject({
      run: 'tiny-001',
      sampleSize: 20,
      accuracy: summaries[0]!.testAccuracy,
    });

    const done: number[] = [];
    const limited = await remote.request(
      'inspect',
      { checkpoint, split: 'train', limit: 5 },
      { onProgress: (progress) => done.push(progress.done) },
    );
    expect(limited.sampleSize).toBe(5);
    expect(done.at(-1)).toBe(5);
    expect(await readdir(path.dirname(stored))).toEqual([
      'epoch-0003.test.groups.json',
      'epoch-0003.test.json',
    ]);

    const evaluated = await remote.request('evaluate', { checkpoint, split: 'test' });
    expect(evaluated).toMatchObject({ sampleSize: 20, accuracy: summaries[0]!.testAccuracy, data: 'data' });
    expect(evaluated.loss).toBeCloseTo(summaries[0]!.testLoss!, 6);
    expect(evaluated.perClass.map(({ images }) => images)).toEqual([5, 5, 5, 5]);
    leave();
  });

  it('measures a checkpoint anew when its file changes', async () => {
    const { runDirectory, summary } = await project.train();
    const engine = await launch();
    const { remote } = await connect(engine.socket);
    const checkpoint = path.join(runDirectory, summary.checkpoint!);
    const first = await remote.request('inspect', { checkpoint, split: 'test' });
    const other = path.join(runDirectory, 'checkpoints', 'epoch-0001.dcnet.safetensors');
    await writeFile(checkpoint, await readFile(other));
    const second = await remote.request('inspect', { checkpoint, split: 'test' });
    expect([first.epoch, second.epoch]).toEqual([3, 1]);
    expect(second.checkpointSha256).not.toBe(first.checkpointSha256);
  });

  it('sends every failure back as what it is', async () => {
    const engine = await launch();
    const { remote } = await connect(engine.socket);
    const request = project.request({ layers: [] });
    await expect(remote.request('startRun', { ...request, name: 'a' })).rejects.toMatchObject({
      details: { code: 'config', field: 'layers', file: request.configFile },
    });
    const checkpoint = path.join(project.directory, 'a.dcnet.safetensors');
    for (const name of ['evaluate', 'inspect'] as const)
      await expect(remote.request(name, { checkpoint, split: 'test' })).rejects.toMatchObject({
        details: { code: 'checkpoint', file: checkpoint },
      });
    await expect(remote.request('pauseRun', { runDirectory: '/nowhere' })).rejects.toMatchObject({
      details: { code: 'usage' },
    });
  });

  it('holds, goes on, stops and resumes for one client while another watches', async () => {
    const engine = await launch();
    const [one, two] = [await connect(engine.socket), await connect(engine.socket)];
    const { runDirectory } = await one.remote.request('startRun', project.request(longRun));
    await until(() => two.states.at(-1)?.status === 'running' && (two.states.at(-1)?.step ?? 0) > 0);
    await one.remote.request('pauseRun', { runDirectory });
    await until(() => two.states.at(-1)?.status === 'paused');
    expect(await two.remote.request('listRuns', {})).toEqual([
      { runDirectory, state: expect.objectContaining({ status: 'paused' }) },
    ]);
    await one.remote.request('continueRun', { runDirectory });
    await until(() => two.states.at(-1)?.status === 'running');
    const waiting = await two.remote.request('startRun', project.request());
    expect(waiting.state).toMatchObject({ status: 'queued', queuePosition: 1 });
    await two.remote.request('stopRun', { runDirectory: waiting.runDirectory });

    const { state } = await one.remote.request('stopRun', { runDirectory });
    expect(state.status).toBe('stopped');
    expect(await two.remote.request('listRuns', {})).toEqual([]);
    const resumed = await one.remote.request('resumeRun', { runDirectory });
    expect(resumed.state.step).toBe(state.step);
    await until(() => (one.states.at(-1)?.step ?? 0) > state.step);
    await one.remote.request('stopRun', { runDirectory });
  });

  it('gives up what it measures when it is told to', async () => {
    project = await TinyProject.create(testBackend, { test: 5000 });
    const { runDirectory, summary } = await project.train({ epochs: 1 });
    const engine = await launch();
    const { remote } = await connect(engine.socket);
    const abort = new AbortController();
    const checkpoint = path.join(runDirectory, summary.checkpoint!);
    await expect(
      remote.request(
        'inspect',
        { checkpoint, split: 'test' },
        { signal: abort.signal, onProgress: () => abort.abort() },
      ),
    ).rejects.toMatchObject({ details: { code: 'cancelled' } });
  });
});

describe('the end of the engine process', () => {
  it('comes when nobody needs it, and it leaves nothing behind', async () => {
    // Long enough for a busy machine to connect within it.
    const engine = await launch({ idle: 1500 });
    const client = await connect(engine.socket);
    await delay(2000);
    expect(engine.child.exitCode).toBeNull();
    client.leave();
    expect(await engine.exited).toBe(0);
    expect(existsSync(engine.presenceFile)).toBe(false);
    if (process.platform !== 'win32') expect(existsSync(engine.socket)).toBe(false);
  });

  it('takes its word away before it lets its windows go, which may start a successor at once', async () => {
    const engine = await launch();
    const { remote } = await connect(engine.socket);
    const left = remote.closed.then(() => existsSync(engine.presenceFile));
    engine.child.kill('SIGTERM');
    expect(await left).toBe(false);
    expect(await engine.exited).toBe(0);
  });

  it('waits for a window to come back to its run, then stops the run with a checkpoint', async () => {
    const engine = await launch({ idle: 200, orphan: 1500 });
    const first = await connect(engine.socket);
    const { runDirectory } = await first.remote.request('startRun', project.request(longRun));
    await until(() => (first.states.at(-1)?.step ?? 0) > 0);
    first.leave();
    await delay(800); // a window reloads
    const second = await connect(engine.socket);
    await delay(1500);
    expect(await second.remote.request('listRuns', {})).toMatchObject([{ state: { status: 'running' } }]);
    second.leave();
    expect(await engine.exited).toBe(0);
    const state = await stateOf(runDirectory);
    expect(state.status).toBe('stopped');
    expect(state.pid).toBeUndefined();
    expect(await readdir(path.join(runDirectory, 'checkpoints'))).not.toEqual([]);
    const queue = project.queue();
    expect(await queue.resume(runDirectory)).toMatchObject({ state: { step: state.step } });
    await queue.stopAll();
  });

  it('by a signal stops the run with a checkpoint', async () => {
    const engine = await launch();
    const client = await connect(engine.socket);
    const { runDirectory } = await client.remote.request('startRun', project.request(longRun));
    await until(() => (client.states.at(-1)?.step ?? 0) > 0);
    engine.child.kill('SIGTERM');
    expect(await engine.exited).toBe(0);
    expect((await stateOf(runDirectory)).status).toBe('stopped');
    expect(await readdir(path.join(runDirectory, 'checkpoints'))).not.toEqual([]);
  });

  it('by a defect is told in the run’s folder', async () => {
    const queue = project.queue();
    const { runDirectory } = await queue.start(project.request(longRun));
    const { asDcnetError } = await import('../../../src/core/errors.js');
    await until(() => queue.list()[0]?.state.status === 'running');
    queue.abandonAll(asDcnetError(new Error('a defect')));
    expect(await stateOf(runDirectory)).toMatchObject({
      status: 'failed',
      error: { code: 'internal', message: 'a defect' },
    });
    await queue.stop(runDirectory);
    await queue.whenIdle();
  });

  it('by SIGKILL leaves a run that goes on as it was, or in halves where that is asked for', async () => {
    const engine = await launch();
    const client = await connect(engine.socket);
    const { runDirectory } = await client.remote.request('startRun', project.request(longRun));
    await until(() => (client.states.at(-1)?.epoch ?? 0) > 1);
    engine.child.kill('SIGKILL');
    await engine.exited;
    const killed = await readFile(path.join(runDirectory, 'state.json'));
    const queue = project.queue();
    const resumed = async (halve: boolean): Promise<RunState> => {
      await writeFile(path.join(runDirectory, 'state.json'), killed);
      await queue.resume(runDirectory, { halve });
      await until(() => queue.list()[0]?.state.status === 'running');
      return queue.stop(runDirectory);
    };
    expect(await resumed(false)).toMatchObject({ batch: { images: 16, parts: 1 } });
    expect(await resumed(true)).toMatchObject({ batch: { images: 16, parts: 2 } });
  });

  it('leaves room for the next: its socket file, once it was killed, is taken over', async () => {
    const first = await launch();
    first.child.kill('SIGKILL');
    await first.exited;
    await writeFile(first.presenceFile, '');
    const second = await launch({}, first.socket);
    await until(async () => (await readFile(first.presenceFile, 'utf8')) !== '');
    const client = await connect(second.socket);
    expect((await client.remote.request('hello', {})).pid).toBe(second.child.pid);
    // A living engine's is not.
    const third = await launch({}, first.socket);
    expect(await third.exited).toBe(1);
    expect(third.log()).toMatch(/another engine listens there/);
  });
});
