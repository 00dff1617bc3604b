import { rm } from 'node:fs/promises';
import net from 'node:net';
import { createMessageConnection, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node';
import type * as z from 'zod';
import { DcnetError } from '../core/errors.js';
import { isOver, type RunState } from '../core/run/run.js';
import { runtimeParagraph } from '../core/run/runtime.js';
import { openChannel, type Remote } from '../protocol/channel.js';
import {
  type EngineEventsContract,
  engineContract,
  engineEventsContract,
  type enginePresenceSchema,
  protocolVersion,
} from '../protocol/engine.js';
import type { Runtime } from './backend/backend.js';
import { replaceFile } from './checkpoint/atomicFile.js';
import { recordOf } from './runtimeChoice.js';
import { Engine } from './service.js';

/** Changes of a run are sent this often at most; a change of its status at once. */
const runChangedIntervalMs = 100;

export interface EngineServerOptions {
  readonly runtime: Runtime;
  readonly mediaDirectory: string;
  /** Local socket, or named pipe on Windows. */
  readonly socket: string;
  /** Where word is left of the socket, once it listens. */
  readonly presenceFile: string | undefined;
  /** Without a client and without work it ends after this long. */
  readonly idleLimitMs: number;
  /** Without a client but with work it stops the work, with checkpoints, and ends after this long. */
  readonly orphanLimitMs: number;
}

/** What was last told of a run, and when; the timer will tell what came since. */
interface SentState {
  readonly status: RunState['status'];
  readonly at: number;
  readonly timer?: NodeJS.Timeout;
}

/** An engine on a socket, for any number of clients one after another or at once; it ends when nobody needs it. */
export class EngineServer {
  readonly ended: Promise<void>;
  readonly #engine: Engine;
  readonly #server = net.createServer((socket) => this.#serve(socket));
  readonly #clients = new Set<Remote<EngineEventsContract>>();
  readonly #sent = new Map<string, SentState>();
  #markEnded = (): void => {};
  #ending = false;
  /** Since when there has been no client, and since when no work either. */
  #aloneSince = performance.now();
  #idleSince = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: EngineServerOptions) {
    this.ended = new Promise((resolve) => {
      this.#markEnded = resolve;
    });
    this.#engine = new Engine({
      runtime: options.runtime,
      mediaDirectory: options.mediaDirectory,
      events: {
        runChanged: (runDirectory, state) => this.#runChanged(runDirectory, state),
        runFinished: (runDirectory, summary) => {
          this.#tell('runFinished', { runDirectory, summary });
        },
        log: (level, message) => {
          console.error(`${level}: ${message}`);
          this.#tell('log', { level, message });
        },
      },
    });
  }

  /**
   * Start to listen, and leave word of it.
   * @throws DcnetError `engine` when the socket is in use
   */
  async listen(): Promise<void> {
    const { socket, presenceFile, runtime } = this.options;
    await removeStaleSocket(socket);
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (thrown) => reject(socketError(socket, thrown)));
      this.#server.listen(socket, resolve);
    });
    if (presenceFile !== undefined) {
      const presence: z.infer<typeof enginePresenceSchema> = { protocolVersion, pid: process.pid, socket };
      await replaceFile(presenceFile, JSON.stringify(presence));
    }
    const record = recordOf(runtime);
    console.error(`info: listening on ${socket}, ${runtimeParagraph(record)}`);
    this.#watch();
  }

  /** Stop all runs, each with a checkpoint, and end. */
  end(why: string): void {
    if (this.#ending) return;
    this.#ending = true;
    clearTimeout(this.#timer);
    console.error(`info: ending, because ${why}`);
    void this.#engine
      .stop()
      .then(() => this.#leave())
      .finally(this.#markEnded);
  }

  /** A defect: leave word in the runs' folders; the process ends after this. */
  crash(error: DcnetError): void {
    this.#engine.queue.abandonAll(error);
  }

  #serve(socket: net.Socket): void {
    // The reader reports errors as a closed connection; one after that must not end the process.
    socket.on('error', () => {});
    const connection = createMessageConnection(
      new SocketMessageReader(socket),
      new SocketMessageWriter(socket),
    );
    const remote = openChannel(connection, engineContract, this.#engine.handlers(), engineEventsContract);
    this.#clients.add(remote);
    this.#watch();
    void remote.closed.then(() => {
      this.#clients.delete(remote);
      if (this.#clients.size === 0) this.#aloneSince = performance.now();
      this.#watch();
    });
  }

  /** Tell a run's newest state: at once when its status changed, else when the interval is over. */
  #runChanged(runDirectory: string, state: RunState): void {
    const sent = this.#sent.get(runDirectory);
    clearTimeout(sent?.timer);
    const now = performance.now();
    const waitMs = sent?.status === state.status ? sent.at + runChangedIntervalMs - now : 0;
    if (sent !== undefined && waitMs > 0) {
      const timer = setTimeout(() => this.#runChanged(runDirectory, state), waitMs);
      this.#sent.set(runDirectory, { ...sent, timer });
      return;
    }
    if (isOver(state.status)) this.#sent.delete(runDirectory);
    else this.#sent.set(runDirectory, { status: state.status, at: now });
    this.#tell('runChanged', { runDirectory, state });
  }

  #tell<K extends keyof EngineEventsContract['notifications']>(
    name: K,
    event: z.infer<EngineEventsContract['notifications'][K]>,
  ): void {
    for (const client of this.#clients) client.notify(name, event);
  }

  /** Look again at whether anybody needs this process, and when to look next. */
  #watch(): void {
    clearTimeout(this.#timer);
    if (this.#ending) return;
    const now = performance.now();
    const busy = this.#engine.isBusy;
    if (busy || this.#clients.size > 0) this.#idleSince = now;
    if (this.#clients.size > 0) return;
    const left = busy
      ? this.#aloneSince + this.options.orphanLimitMs - now
      : Math.max(this.#aloneSince, this.#idleSince) + this.options.idleLimitMs - now;
    if (left <= 0) {
      this.end(busy ? 'no window has come back to its run' : 'nothing has needed it');
      return;
    }
    // Work that ends meanwhile is noticed within a tenth of the idle limit.
    this.#timer = setTimeout(() => this.#watch(), Math.max(1, Math.min(left, this.options.idleLimitMs / 10)));
  }

  /** The word comes off first: a client that is let go starts a successor, whose word in the same place must stay. */
  async #leave(): Promise<void> {
    const { presenceFile } = this.options;
    if (presenceFile !== undefined) await rm(presenceFile, { force: true });
    for (const client of this.#clients) client.dispose();
    this.#server.close();
  }
}

/** A socket file whose engine was killed is removed; one that answers is somebody's. */
async function removeStaleSocket(socket: string): Promise<void> {
  if (process.platform === 'win32') return; // pipes go with their process
  const inUse = await new Promise<boolean>((resolve) => {
    const probe = net.connect(socket);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (inUse) throw socketError(socket, new Error('another engine listens there'));
  await rm(socket, { force: true });
}

function socketError(socket: string, thrown: Error): DcnetError {
  return new DcnetError(
    {
      code: 'engine',
      message: `The engine cannot listen on ${socket}: ${thrown.message}.`,
      remedy: 'Give another --socket, or end the engine that listens there.',
    },
    { cause: thrown },
  );
}
