import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  EngineClient,
  type EngineClientOptions,
  type EngineDeath,
} from '../../src/host/engine/engineClient.js';
import { isAlive } from '../../src/host/engine/presence.js';
import { writeLongConfig } from './support/configs.js';
import { extension } from './support/extension.js';
import { until } from './support/until.js';

describe('Engine process', () => {
  let folder = '';
  const clients: EngineClient[] = [];
  const pids = new Set<number>();
  const log: string[] = [];

  const presenceFile = (): string => path.join(folder, 'engine.json');
  const engineScript = (): string => path.join(extension().extensionPath, 'dist', 'engine.js');
  const note = (message: string): void => void log.push(message);
  function connectTo(
    options: Partial<EngineClientOptions> & { nodePath?: string; script?: string } = {},
  ): EngineClient {
    const client = new EngineClient({
      name: 'test',
      files: () => ({ presenceFile: presenceFile(), logFile: path.join(folder, 'engine.log') }),
      program: async () => ({
        node: { path: options.nodePath ?? process.execPath, version: process.versions.node, origin: 'test' },
        script: options.script ?? engineScript(),
        backend: 'wasm',
        precision: 'fp32',
        tensorflowFolder: '',
        workers: 0,
      }),
      log: { info: note, warn: note, error: note },
      events: { runChanged: () => undefined, runFinished: () => undefined },
      ...options,
    });
    clients.push(client);
    return client;
  }
  const pidOf = async (client: EngineClient): Promise<number> => {
    const { pid } = await client.request('hello', {});
    pids.add(pid);
    return pid;
  };

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'dcnet-engine-'));
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.dispose();
    for (const pid of pids) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    pids.clear();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('outlives the client that started it, with its run', async () => {
    const first = connectTo();
    const pid = await pidOf(first);
    const config = writeLongConfig('engine');
    const { runDirectory } = await first.request('startRun', {
      configFile: config.fsPath,
      configText: readFileSync(config.fsPath, 'utf8'),
      runsDirectory: path.join(folder, 'runs'),
    });
    first.dispose();

    const second = connectTo();
    assert.equal(await second.attach(), true);
    assert.equal(await pidOf(second), pid, 'the same process');
    const [listed] = await second.request('listRuns', {});
    assert.equal(listed?.runDirectory, runDirectory);
    const { state } = await second.request('stopRun', { runDirectory });
    assert.equal(state.status, 'stopped');
  });

  it('is not started by looking for it', async () => {
    rmSync(presenceFile(), { force: true });
    const client = connectTo();
    assert.equal(await client.attach(), false);
    assert.equal(client.pid, undefined);
  });

  it('is not looked for where it no longer is', async () => {
    writeFileSync(
      presenceFile(),
      JSON.stringify({ protocolVersion: 1, pid: process.pid, socket: '/nowhere' }),
    );
    assert.equal(await connectTo().attach(), false);
    assert.ok(!existsSync(presenceFile()), 'the stale file is removed');
  });

  it('is started anew after it died, and what was asked of it fails with a sentence', async () => {
    let death: EngineDeath | undefined;
    const client = connectTo({
      onGone: (told) => {
        death = told;
      },
    });
    const pid = await pidOf(client);
    process.kill(pid, 'SIGSTOP');
    const asked = client.request('doctor', {}).catch((thrown: Error) => thrown.message);
    process.kill(pid, 'SIGKILL');
    assert.match(String(await asked), /The engine process ended before it answered/);
    await until('its end is told', () => death);
    assert.equal(death?.exit, 'SIGKILL');
    assert.notEqual(await pidOf(client), pid);
  });

  it('is given up after it failed again and again, with advice', async () => {
    rmSync(presenceFile(), { force: true });
    const client = connectTo({ nodePath: path.join(folder, 'no-node') });
    const message = await client.request('doctor', {}).catch((thrown: Error) => `${thrown.message}`);
    assert.match(String(message), /failed 4 times in a row.*no-node/);
    const started = Date.now();
    await assert.rejects(client.request('doctor', {}));
    assert.ok(Date.now() - started < 400, 'the next one fails at once');
  });

  it('may take its time to start, which is told', async () => {
    rmSync(presenceFile(), { force: true });
    const script = path.join(folder, 'slow.mjs');
    const engine = JSON.stringify(pathToFileURL(engineScript()).href);
    writeFileSync(script, `setTimeout(() => import(${engine}), 1000);`);
    const told: string[] = [];
    const startLimits = { patienceMs: 400, limitMs: 60_000 };
    const starts = log.length;
    await pidOf(connectTo({ script, startLimits, onSlowStart: (message) => told.push(message) }));
    assert.match(told.join(), /has been starting for .* first trial of a GPU/);
    assert.equal(log.slice(starts).filter((line) => line.startsWith('Starting the test engine')).length, 1);
  });

  it('is ended where it never listens', async () => {
    rmSync(presenceFile(), { force: true });
    const script = path.join(folder, 'hung.mjs');
    const pids = path.join(folder, 'hung.txt');
    const noted = `fs.appendFileSync(${JSON.stringify(pids)}, process.pid + ' ');`;
    writeFileSync(script, `import fs from 'node:fs'; ${noted} setInterval(() => {}, 1000);`);
    const client = connectTo({ script, startLimits: { patienceMs: 400, limitMs: 3000 } });
    await assert.rejects(
      client.request('doctor', {}),
      /hung\.mjs\) could not be started: .* within 3 seconds/,
    );
    const hung = readFileSync(pids, 'utf8').trim().split(' ').map(Number);
    assert.deepEqual(hung.map(isAlive), [false], 'it was started once, and is gone');
  });

  it('is told to go: what is asked next is answered by its successor', async () => {
    const client = connectTo();
    const pid = await pidOf(client);
    client.end();
    assert.notEqual(await pidOf(client), pid);
    await until('the one before is gone', () => !isAlive(pid));
  });

  it('ends when it is idle, where it is for analyses', async () => {
    const client = connectTo({ idleLimitMs: 200 });
    const pid = await pidOf(client);
    await until('it is gone', () => !isAlive(pid));
    await until('the client knows', () => client.pid === undefined);
  });
});
