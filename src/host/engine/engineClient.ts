import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { createMessageConnection, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node';
import type * as z from 'zod';
import { DcnetError } from '../../core/errors.js';
import { describeRuntime, explainRuntime, type RuntimeRecord } from '../../core/run/runtime.js';
import { ConnectionBroken, type Handlers, openChannel, type Remote } from '../../protocol/channel.js';
import {
  type EngineContract,
  type EngineEventsContract,
  engineContract,
  engineEventsContract,
  protocolVersion,
} from '../../protocol/engine.js';
import { Owner } from '../lifecycle.js';
import type { EngineFiles } from './engineFiles.js';
import {
  attachToEngine,
  type EngineProgram,
  launchEngine,
  StartHung,
  type StartLimits,
} from './engineProcess.js';
import { LogTail } from './logTail.js';
import { isAlive, readPresence, removePresence } from './presence.js';
import { giveUpAfter, StartPolicy } from './startPolicy.js';

/** How long an engine that is told to go may take to write its checkpoints. */
const endLimitMs = 20_000;
/** How long the end of a process may come after the end of its connection. */
const exitLimitMs = 1_000;
/** So many lines of a dead engine's log are told. */
const mostLastWords = 5;

/** Where the client reports what happens to its engine. */
export interface EngineLog {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** The end of an engine that was not told to go. */
export interface EngineDeath {
  /** `SIGSEGV` or `exit code 1`; unknown of an engine that an earlier window started. */
  readonly exit: string | undefined;
  /** The last lines of its log that are not mere information, oldest first. */
  readonly lastWords: readonly string[];
}

export interface EngineClientOptions {
  /** For the log: `training`. */
  readonly name: string;
  /** Where the engine leaves word of itself. */
  readonly files: () => EngineFiles;
  /** Asked at each start, so that changed settings take effect. */
  readonly program: () => Promise<EngineProgram>;
  readonly log: EngineLog;
  /** What the engine tells. */
  readonly events: Omit<Handlers<EngineEventsContract>, 'log'>;
  /** The engine is connected: what it is doing can be asked. It is new where it was started for this. */
  readonly onConnected?: (runtime: RuntimeRecord, isNew: boolean) => void;
  /** The engine is gone, and why where it was not told to go. */
  readonly onGone?: (death: EngineDeath | undefined) => void;
  /** A start takes long: that is told to people, who wait. */
  readonly onSlowStart?: (message: string) => void;
  /** Left out: those that serve people. */
  readonly startLimits?: StartLimits;
  /** End the engine when it was asked nothing for so long. Left out: it ends by itself when nothing needs it. */
  readonly idleLimitMs?: number;
}

type Requests = EngineContract['requests'];
type Result<K extends keyof Requests> = z.infer<Requests[K]['result']>;

interface Connection {
  readonly remote: Remote<EngineContract>;
  readonly pid: number;
  /** How the process ended, once it has; only of one that this window started. */
  readonly exit: Promise<string> | undefined;
}

/**
 * The engine process as seen from the window: found again or started when it is first needed, started anew after it
 * died, and left alone when the window closes. Every failure is a `DcnetError`.
 */
export class EngineClient extends Owner {
  readonly #policy = new StartPolicy();
  #connection: Connection | undefined;
  #connecting: Promise<Connection> | undefined;
  #tail: LogTail | undefined;
  #lastWords: readonly string[] = [];
  #pending = 0;
  #idle: NodeJS.Timeout | undefined;
  /** The end of an engine that was told to go: the next one starts after it. */
  #ending: Promise<void> | undefined;

  constructor(private readonly options: EngineClientOptions) {
    super();
  }

  /** The engine's process, while connected. */
  get pid(): number | undefined {
    return this.#connection?.pid;
  }

  /** Ask the engine, which is started if need be. */
  async request<K extends keyof Requests & string>(
    name: K,
    params: z.infer<Requests[K]['params']>,
    options: Parameters<Remote<EngineContract>['request']>[2] & {
      readonly onProgress?: ((progress: z.infer<Requests[K]['progress']>) => void) | undefined;
    } = {},
  ): Promise<Result<K>> {
    this.#pending++;
    clearTimeout(this.#idle);
    const connection = await this.#connect().catch((thrown: unknown) => {
      this.#settled();
      throw thrown;
    });
    try {
      return await connection.remote.request(name, params, options);
    } catch (thrown) {
      if (this.#connection === connection && !(thrown instanceof ConnectionBroken)) throw thrown;
      throw new DcnetError(
        {
          code: 'engine',
          message: 'The engine process ended before it answered.',
          remedy: 'Try again; the DCNet log (DCNet: Show Log) has its last words.',
        },
        { cause: thrown },
      );
    } finally {
      this.#settled();
    }
  }

  /** Connect to an engine that an earlier window left running; true when there is one. Starts nothing. */
  async attach(): Promise<boolean> {
    if (this.#connection !== undefined) return true;
    await this.#ending;
    if ((await readPresence(this.options.files().presenceFile)) === undefined) return false;
    this.#connecting ??= this.#attach()
      .then((found) => {
        if (found === undefined) throw nothingThere;
        return found;
      })
      .finally(() => {
        this.#connecting = undefined;
      });
    return this.#connecting.then(
      () => true,
      (thrown: unknown) => {
        if (thrown === nothingThere) return false;
        throw thrown;
      },
    );
  }

  /** End the engine process; what is asked from now on waits for the next one. Runs under way in it stop. */
  end(): void {
    this.#policy.forget();
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    this.#ending = this.#endProcess(connection).finally(() => {
      this.#ending = undefined;
      this.options.log.info(`The ${this.options.name} engine has ended`);
      this.options.onGone?.(undefined);
    });
  }

  override dispose(): void {
    if (this.isDisposed) return;
    super.dispose();
    clearTimeout(this.#idle);
    const connection = this.#connection;
    // An engine that is there for this window only goes with it; one that trains stays.
    if (connection !== undefined && this.options.idleLimitMs !== undefined)
      terminate(connection.pid, 'SIGTERM');
    this.#connection = undefined;
    connection?.remote.dispose();
    this.#tail?.dispose();
  }

  #settled(): void {
    this.#pending--;
    if (this.#pending > 0 || this.options.idleLimitMs === undefined || this.isDisposed) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.end(), this.options.idleLimitMs);
  }

  async #connect(): Promise<Connection> {
    if (this.isDisposed) throw closed();
    if (this.#connection !== undefined) return this.#connection;
    this.#connecting ??= this.#findOrStart().finally(() => {
      this.#connecting = undefined;
    });
    try {
      return await this.#connecting;
    } catch (thrown) {
      if (thrown !== nothingThere) throw thrown;
      return this.#connect(); // an attempt to attach was under way, and found nothing
    }
  }

  async #endProcess({ pid, remote }: Connection): Promise<void> {
    terminate(pid, 'SIGTERM');
    const ended = remote.closed.then(() => true);
    if (!(await Promise.race([ended, delay(endLimitMs, false, { ref: false })]))) terminate(pid, 'SIGKILL');
    await ended;
  }

  async #findOrStart(): Promise<Connection> {
    await this.#ending;
    const found = await this.#attach();
    if (found !== undefined) return found;
    let last: unknown;
    for (;;) {
      const wait = this.#policy.delay(Date.now());
      if (wait === undefined) throw gaveUp(last);
      await delay(wait);
      if (this.isDisposed) throw closed();
      const program = await this.options.program();
      const files = this.options.files();
      const { path: nodePath, version, origin } = program.node;
      this.options.log.info(
        `Starting the ${this.options.name} engine: ${nodePath} (Node.js ${version}, ${origin}) ${program.script}`,
      );
      this.#follow(files.logFile);
      try {
        const onSlow = (seconds: number): void => this.#tellSlow(seconds);
        const { socket, exit } = await launchEngine(program, files, onSlow, this.options.startLimits);
        return await this.#greet(socket, exit);
      } catch (thrown) {
        last = thrown;
        this.#policy.failed(Date.now());
        this.options.log.error(thrown instanceof Error ? thrown.message : String(thrown));
        if (thrown instanceof StartHung) throw thrown;
      }
    }
  }

  #tellSlow(seconds: number): void {
    const message = `The ${this.options.name} engine has been starting for ${seconds} seconds: the first trial of a GPU may take minutes.`;
    this.options.log.info(message);
    this.options.onSlowStart?.(message);
  }

  async #attach(): Promise<Connection | undefined> {
    const { presenceFile, logFile } = this.options.files();
    const socket = await attachToEngine(presenceFile);
    if (socket === undefined) return undefined;
    try {
      const connection = await this.#greet(socket);
      this.options.log.info(`Found the ${this.options.name} engine again: process ${connection.pid}`);
      this.#follow(logFile);
      return connection;
    } catch (thrown) {
      // An engine of another version: it finishes what it does; its successor takes its place.
      this.options.log.warn(
        `The ${this.options.name} engine of an earlier version is left alone: ${(thrown as Error).message}`,
      );
      await removePresence(presenceFile);
      return undefined;
    }
  }

  async #greet(socket: Socket, exit?: Promise<string>): Promise<Connection> {
    const { log, name } = this.options;
    const rpc = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
    rpc.onError(([error]) => log.warn(`The connection to the ${name} engine: ${error.message}`));
    const handlers: Handlers<EngineEventsContract> = {
      ...this.options.events,
      log: () => undefined, // it says the same in its log file, which is followed also while nobody is connected
    };
    const remote = openChannel(rpc, engineEventsContract, handlers, engineContract);
    const hello = await remote.request('hello', {}).catch((thrown: unknown) => {
      remote.dispose();
      socket.destroy();
      throw thrown;
    });
    if (hello.protocolVersion !== protocolVersion || this.isDisposed) {
      remote.dispose();
      socket.destroy();
      if (this.isDisposed) throw closed();
      throw new Error(`it speaks protocol ${hello.protocolVersion}, not ${protocolVersion}`);
    }
    const { pid, runtime } = hello;
    const connection: Connection = { remote, pid, exit };
    this.#connection = connection;
    log.info(`The ${name} engine, process ${pid}, computes with ${describeRuntime(runtime)}`);
    for (const line of explainRuntime(runtime)) log.info(line);
    void remote.closed.then(() => this.#gone(connection));
    this.options.onConnected?.(runtime, exit !== undefined);
    return connection;
  }

  async #gone(connection: Connection): Promise<void> {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#policy.failed(Date.now());
    // The socket closes before the process is gone.
    const exit = await Promise.race([connection.exit, delay(exitLimitMs, undefined, { ref: false })]);
    if (this.isDisposed) return;
    this.#tail?.read();
    const death = { exit, lastWords: this.#lastWords };
    this.options.log.error(
      `The ${this.options.name} engine (process ${connection.pid}) ended unexpectedly${exit === undefined ? '' : `: ${exit}`}`,
    );
    this.options.onGone?.(death);
  }

  #follow(logFile: string): void {
    this.#tail?.dispose();
    this.#lastWords = [];
    this.#tail = new LogTail(logFile, (line) => {
      const [, level, message = line] = /^(info|warn|error): (.*)$/.exec(line) ?? [];
      if (level !== 'info') this.#lastWords = [...this.#lastWords, message].slice(-mostLastWords);
      this.options.log[(level ?? 'info') as keyof EngineLog](`${this.options.name} engine: ${message}`);
    });
  }
}

function terminate(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (isAlive(pid)) process.kill(pid, signal);
}

const nothingThere = new Error('No engine is running.');

function closed(): DcnetError {
  return new DcnetError({
    code: 'engine',
    message: 'The window is closing.',
    remedy: 'Try again in the new window.',
  });
}

function gaveUp(cause: unknown): DcnetError {
  return new DcnetError(
    {
      code: 'engine',
      message: `The engine failed ${giveUpAfter} times in a row${cause instanceof Error ? ` (${cause.message})` : ''}.`,
      remedy:
        'Look into the DCNet log (DCNet: Show Log), check dcnet.nodePath and dcnet.backend, then run DCNet: Restart Engine.',
    },
    { cause },
  );
}
