import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  createMessageConnection,
  generateRandomPipeName,
  SocketMessageReader,
  SocketMessageWriter,
} from 'vscode-jsonrpc/node';
import { runFiles } from '../core/run/run.js';
import type { Runtime } from '../engine/backend/backend.js';
import { type Handlers, openChannel } from '../protocol/channel.js';
import { type EngineEventsContract, engineContract, engineEventsContract } from '../protocol/engine.js';
import { interleave, spreadOf } from './measure.js';
import { plain, resolve, sample } from './networks.js';
import type { BenchOptions, Figure } from './parts.js';

const bundle = fileURLToPath(new URL('engine.js', import.meta.url));
const lookMs = 5;

/** From nothing to the engine that listens, and to the first reported step of the sample network on its bundled images. */
export async function start({ rounds, runtimes }: BenchOptions): Promise<Figure[]> {
  const figures: Figure[] = [];
  const steps = new Map(runtimes.map(({ name }) => [name, [] as number[]]));
  const tasks = Object.fromEntries(
    runtimes.map(({ name }) => [
      name,
      async () => {
        const { listens, trains } = await startOnce(name);
        steps.get(name)?.push(trains);
        return listens;
      },
    ]),
  );
  const listening = await interleave(tasks, rounds);
  for (const { name } of runtimes)
    figures.push(
      { what: ['start', 'engine listens'], on: name, value: spreadOf(listening[name]!), unit: 's' },
      // The first round warms up, as everywhere.
      {
        what: ['start', 'first training step reported (a report comes every 0.25 s)'],
        on: name,
        value: spreadOf(steps.get(name)!.slice(1)),
        unit: 's',
      },
    );
  return figures;
}

/** Seconds from the spawn. */
async function startOnce(backend: Runtime['name']): Promise<{ listens: number; trains: number }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'dcnet-bench-'));
  const address = generateRandomPipeName();
  const startedAt = performance.now();
  const seconds = (): number => (performance.now() - startedAt) / 1000;
  const child = spawn(process.execPath, [bundle, '--socket', address, '--backend', backend], {
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  try {
    const socket = await connect(address);
    const listens = seconds();
    let trained = (): void => {};
    const firstStep = new Promise<void>((resolve) => {
      trained = resolve;
    });
    const handlers: Handlers<EngineEventsContract> = {
      runChanged: ({ state }) => {
        if (state.step > 0) trained();
      },
      runFinished: () => undefined,
      log: () => undefined,
    };
    const rpc = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
    const engine = openChannel(rpc, engineEventsContract, handlers, engineContract);
    const { config } = resolve(sample, plain);
    const configFile = path.join(folder, runFiles.config);
    const configText = JSON.stringify(config);
    await writeFile(configFile, configText);
    await engine.request('startRun', { configFile, configText, runsDirectory: folder });
    await firstStep;
    const trains = seconds();
    engine.dispose();
    socket.destroy();
    return { listens, trains };
  } finally {
    child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}

/** As soon as it listens. */
async function connect(address: string): Promise<net.Socket> {
  for (;;) {
    const socket = net.connect(address);
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (connected) return socket;
    await delay(lookMs);
  }
}
