import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  createMessageConnection,
  generateRandomPipeName,
  SocketMessageReader,
  SocketMessageWriter,
} from 'vscode-jsonrpc/node';
import { DcnetError } from '../core/errors.js';
import { runFiles } from '../core/run/run.js';
import { tensorflowRuntimeFolder, webgpuRuntimeFolder } from '../engine/setup/runtimeFolder.js';
import { type Handlers, openChannel } from '../protocol/channel.js';
import {
  type BackendChoice,
  type EngineEventsContract,
  engineContract,
  engineEventsContract,
} from '../protocol/engine.js';
import { wordsOf } from './child.js';
import { interleave, spreadOf } from './measure.js';
import { plain, resolve, sample } from './networks.js';
import type { BenchOptions, Figure } from './parts.js';

const bundle = fileURLToPath(new URL('engine.js', import.meta.url));
const lookMs = 5;

/** How an engine is started. */
interface Start {
  /** The name of its figures. */
  readonly on: string;
  readonly backend: BackendChoice;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * From nothing to the engine that listens, and to the first reported step of the sample network on its bundled images:
 * on each runtime, and by `auto`, which tries all of them the first time. That is measured where no backend was asked for.
 * @param program of the engine
 */
export async function* start(
  {
    rounds,
    runtimes,
    backends,
    onMissing,
  }: Pick<BenchOptions, 'rounds' | 'runtimes' | 'backends' | 'onMissing'>,
  program = bundle,
): AsyncGenerator<Figure> {
  const home = await mkdtemp(path.join(tmpdir(), 'dcnet-bench-'));
  const starts: Start[] = runtimes.map(({ name, label }) => ({ on: label, backend: name }));
  if (backends === undefined) {
    if (process.platform === 'linux') starts.push(...startsOfAuto(home));
    else onMissing('start · auto', 'where it keeps its trial is known on Linux only');
  }
  const steps = new Map(starts.map(({ on }) => [on, [] as number[]]));
  const tasks = Object.fromEntries(
    starts.map((each) => [
      each.on,
      async () => {
        if (each.on === firstOfAuto) await rm(home, { recursive: true, force: true });
        const { listens, trains } = await startOnce(program, each);
        steps.get(each.on)?.push(trains);
        return listens;
      },
    ]),
  );
  try {
    const listening = await interleave(tasks, rounds, (on, thrown) => onMissing(`start · ${on}`, thrown));
    for (const [on, seconds] of Object.entries(listening)) {
      yield { what: ['start', 'engine listens'], on, value: spreadOf(seconds!), unit: 's' };
      yield {
        what: ['start', 'first training step reported (a report comes every 0.25 s)'],
        on,
        value: spreadOf(steps.get(on)!.slice(1)), // the first round warms up, as everywhere
        unit: 's',
      };
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

const firstOfAuto = 'auto, first start';

/**
 * The first start and the one after it, as of a user who has the runtimes of this one and nothing else.
 * @param home where the engine keeps what it knows of its runtimes
 */
function startsOfAuto(home: string): readonly Start[] {
  const env = {
    ...process.env,
    XDG_DATA_HOME: home,
    DCNET_RUNTIME: tensorflowRuntimeFolder(),
    DCNET_WEBGPU: webgpuRuntimeFolder(),
  };
  return [firstOfAuto, 'auto, next start'].map((on) => ({ on, backend: 'auto', env }));
}

/**
 * Seconds from the spawn.
 * @throws Error where the engine ends, or its training
 */
async function startOnce(
  program: string,
  { backend, env = process.env }: Start,
): Promise<{ listens: number; trains: number }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'dcnet-bench-'));
  const address = generateRandomPipeName();
  const startedAt = performance.now();
  const seconds = (): number => (performance.now() - startedAt) / 1000;
  const child = spawn(process.execPath, [program, '--socket', address, '--backend', backend], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const said = text(child.stderr);
  const ended = once(child, 'exit');
  const died = ended.then(async ([code, signal]): Promise<never> => {
    throw new Error(`the engine ended with ${signal ?? `exit code ${code}`}: ${wordsOf(await said)}`);
  });
  died.catch(() => undefined); // at the end it is killed
  try {
    const socket = await Promise.race([connect(address, child), died]);
    const listens = seconds();
    await Promise.race([trainToFirstReport(socket, folder), died]);
    const trains = seconds();
    socket.destroy();
    return { listens, trains };
  } finally {
    child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Train the sample network until a step is reported.
 * @throws DcnetError where the run fails
 */
async function trainToFirstReport(socket: net.Socket, folder: string): Promise<void> {
  const { config } = resolve(sample, plain);
  const configFile = path.join(folder, runFiles.config);
  const configText = JSON.stringify(config);
  await writeFile(configFile, configText);
  await new Promise<void>((reported, failed) => {
    const handlers: Handlers<EngineEventsContract> = {
      runChanged: ({ state }) => {
        if (state.step > 0) reported();
      },
      runFinished: ({ summary: { error } }) => {
        if (error !== undefined) failed(new DcnetError(error));
      },
      log: () => undefined,
    };
    const rpc = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
    const engine = openChannel(rpc, engineEventsContract, handlers, engineContract);
    engine.request('startRun', { configFile, configText, runsDirectory: folder }).catch(failed);
  });
}

/** As soon as it listens; never where it ends before. */
async function connect(address: string, engine: ChildProcess): Promise<net.Socket> {
  for (;;) {
    const socket = net.connect(address);
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (connected) return socket;
    if (engine.exitCode !== null || engine.signalCode !== null) return new Promise(() => {});
    await delay(lookMs);
  }
}
