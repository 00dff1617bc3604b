import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { generateRandomPipeName } from 'vscode-jsonrpc/node';
import { DcnetError } from '../../core/errors.js';
import type { BackendChoice, Precision } from '../../protocol/engine.js';
import type { EngineFiles } from './engineFiles.js';
import type { NodeProgram } from './nodeProgram.js';
import { isAlive, readPresence, removePresence } from './presence.js';

/** How long a new engine may take until it listens. */
export interface StartLimits {
  /** After this long people are told that it still starts. */
  readonly patienceMs: number;
  /** After this long it is ended: at a GPU's first use drivers compile for minutes. */
  readonly limitMs: number;
}

const usualLimits: StartLimits = { patienceMs: 20_000, limitMs: 15 * 60_000 };
/** How often a starting engine is looked for. */
const startCheckMs = 50;

/** Which program to run. */
export interface EngineProgram {
  readonly node: NodeProgram;
  /** The engine's bundle. */
  readonly script: string;
  readonly backend: BackendChoice;
  readonly precision: Precision;
  /** One more folder to look for TensorFlow in; empty for none. */
  readonly tensorflowFolder: string;
  /** Threads that share each batch on wasm; 0 for as many as serve. */
  readonly workers: number;
}

/** An engine that this window started. */
export interface LaunchedEngine {
  readonly socket: net.Socket;
  /** How its process ended, once it has: `SIGSEGV` or `exit code 1`. */
  readonly exit: Promise<string>;
}

/**
 * Connect to the engine that left its presence file, if it is still there.
 * A file left by an engine that is gone is removed.
 */
export async function attachToEngine(presenceFile: string): Promise<net.Socket | undefined> {
  const presence = await readPresence(presenceFile);
  if (presence === undefined) return undefined;
  if (isAlive(presence.pid)) {
    try {
      return await connect(presence.socket);
    } catch {
      // A process of that id that does not answer there is not our engine: the file is stale.
    }
  }
  await removePresence(presenceFile);
  return undefined;
}

/**
 * Start an engine as a process of its own, which outlives the window, and connect to it.
 * @param onSlow gets the seconds that it has been starting for, once that is long
 * @throws DcnetError `engine` when it cannot be started; StartHung when it does not listen in time: then it is ended
 */
export async function launchEngine(
  program: EngineProgram,
  { presenceFile, logFile }: EngineFiles,
  onSlow: (seconds: number) => void,
  { patienceMs, limitMs }: StartLimits = usualLimits,
): Promise<LaunchedEngine> {
  await mkdir(path.dirname(presenceFile), { recursive: true });
  const log = openSync(logFile, 'w');
  const socket = generateRandomPipeName();
  let ended: string | undefined;
  let markExit = (_: string): void => {};
  const exit = new Promise<string>((resolve) => {
    markExit = resolve;
  });
  let child: ChildProcess;
  try {
    child = spawn(
      program.node.path,
      [
        program.script,
        ...['--socket', socket],
        ...['--presence', presenceFile],
        ...['--backend', program.backend],
        ...['--precision', program.precision],
        ...['--tensorflow', program.tensorflowFolder],
        ...['--workers', String(program.workers)],
      ],
      {
        detached: true,
        windowsHide: true,
        stdio: ['ignore', log, log],
        env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
      },
    );
    child.once('error', (error) => {
      ended = error.message;
    });
    child.once('exit', (code, signal) => {
      const how = signal ?? `exit code ${code}`;
      ended ??= `it ended with ${how}`;
      markExit(how);
    });
    child.unref();
  } finally {
    closeSync(log);
  }
  const begin = Date.now();
  const passed = (): number => Date.now() - begin;
  let isSlow = false;
  while (passed() < limitMs) {
    if (ended !== undefined) throw startFailed(program, ended);
    const presence = await readPresence(presenceFile);
    if (presence?.socket === socket) return { socket: await connect(socket), exit };
    if (!isSlow && passed() > patienceMs) {
      isSlow = true;
      onSlow(Math.round(patienceMs / 1000));
    }
    await delay(startCheckMs);
  }
  child.kill('SIGKILL');
  await exit;
  const { details } = startFailed(program, `it did not answer within ${Math.round(limitMs / 1000)} seconds`);
  throw new StartHung(details);
}

/** An engine that never listened, though its process lived: the next one would do no better. */
export class StartHung extends DcnetError {}

function startFailed(program: EngineProgram, why: string): DcnetError {
  return new DcnetError({
    code: 'engine',
    message: `The engine (${program.node.path} ${program.script}) could not be started: ${why}.`,
    remedy: 'Check the setting dcnet.nodePath and look into the DCNet log (DCNet: Show Log).',
  });
}

/** A local socket answers or refuses at once: no time limit, which a busy window would run over. */
function connect(address: string): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(address);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}
