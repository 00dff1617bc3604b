import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as z from 'zod';
import { replaceFile } from '../checkpoint/atomicFile.js';
import { describeMachine } from '../machine.js';
import { userDataFolder } from '../setup/runtimeFolder.js';
import { isProcessAlive } from '../training/processes.js';

/** What failed once may have had no room beside another program: it is tried again after so long. */
export const failureMs = 24 * 3600 * 1000;

/** Runtimes with a native library, which may abort where nothing can catch it. */
type NativeRuntime = 'tensorflow' | 'webgpu';

/** The library that a process is loading: where the process is no more, the library took it down. */
const loadMarkSchema = z.object({
  /** This machine and our version: what another one could not load may load here. */
  machine: z.string(),
  pid: z.number().int(),
  /** Unix time, ms. */
  startedAt: z.number(),
});

/**
 * Load a runtime's native library while a file tells of it.
 * @param file of its package: where none of the places has it, there is nothing to tell of
 */
export async function whileLoading<T>(
  { name, file, places }: { name: NativeRuntime; file: string; places: readonly NodeJS.Require[] },
  load: () => T | Promise<T>,
): Promise<T> {
  if (!places.some((place) => isInstalled(place, file))) return load();
  const mark: z.infer<typeof loadMarkSchema> = {
    machine: thisMachine(),
    pid: process.pid,
    startedAt: Date.now(),
  };
  return whileMarked(loadMarkFile(name), mark, load);
}

/** Why a runtime is not to be loaded: it took down the last process that did, less than a day ago. */
export async function readFatalLoad(name: NativeRuntime): Promise<string | undefined> {
  try {
    const mark = loadMarkSchema.parse(JSON.parse(await readFile(loadMarkFile(name), 'utf8')));
    const age = Math.abs(Date.now() - mark.startedAt);
    if (mark.machine !== thisMachine() || isProcessAlive(mark.pid) || age > failureMs) return undefined;
    const until = new Date(mark.startedAt + failureMs).toISOString().slice(0, 16).replace('T', ' ');
    return `the process ended while it loaded ${name}’s library, which is left out until ${until} UTC: run dcnet setup ${name} to install it anew, or name it (setting dcnet.backend, --backend ${name}) to try it at once.`;
  } catch {
    return undefined;
  }
}

/** A runtime was installed anew: what the former one did no longer counts. */
export function forgetFatalLoad(name: NativeRuntime): void {
  rmSync(loadMarkFile(name), { force: true });
}

/** Do what may take this process down while a file tells of it, which stays where that happens. */
export async function whileMarked<T>(file: string, mark: object, work: () => T | Promise<T>): Promise<T> {
  const forget = (): void => rmSync(file, { force: true });
  // Who ends the process is not the runtime.
  const end = (signal: NodeJS.Signals): void => {
    forget();
    process.kill(process.pid, signal);
  };
  await writeIfPossible(file, mark);
  for (const signal of endSignals) process.once(signal, end);
  try {
    return await work();
  } finally {
    // A signal that came while the work blocked is told in the turn after the next: else it would be lost.
    await nextTurn();
    await nextTurn();
    for (const signal of endSignals) process.off(signal, end);
    forget();
  }
}

const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Write what a start knows of those before it. */
export async function writeIfPossible(file: string, content: object): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await replaceFile(file, JSON.stringify(content));
  } catch {
    // A disk that cannot be written to costs a second at the next start, no more.
  }
}

function isInstalled(place: NodeJS.Require, file: string): boolean {
  try {
    place.resolve(file);
    return true;
  } catch {
    return false;
  }
}

function loadMarkFile(name: NativeRuntime): string {
  return path.join(userDataFolder(), `runtime-load-${name}.json`);
}

function thisMachine(): string {
  return createHash('sha256').update(JSON.stringify(describeMachine())).digest('hex');
}
