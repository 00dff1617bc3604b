import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as z from 'zod';
import type { BackendName } from '../../protocol/engine.js';
import { replaceFile } from '../checkpoint/atomicFile.js';
import { describeMachine } from '../machine.js';
import { userDataFolder } from '../setup/runtimeFolder.js';
import { isProcessAlive } from '../training/processes.js';

/** What failed once may have had no room beside another program: it is tried again after so long. */
export const failureMs = 24 * 3600 * 1000;

/** Runtimes with a native library, which may abort where nothing can catch it. */
type NativeRuntime = 'tensorflow' | 'webgpu';

const stages = ['load', 'trial', 'start'] as const;
/** What a process does with a runtime that may take it down. */
type Stage = (typeof stages)[number];

/** Content of a mark; whose it is says the file's name. */
const markSchema = z.object({
  /** This machine and our version: what another one could not load may load here. */
  machine: z.string(),
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
  return places.some((place) => isInstalled(place, file)) ? whileMarked('load', name, load) : load();
}

/** Why a runtime is not to be loaded: the last process that did ended meanwhile, less than a day ago. */
export async function readFatalLoad(name: NativeRuntime): Promise<string | undefined> {
  const diedAt = await readFatal('load', name);
  if (diedAt === undefined) return undefined;
  const until = new Date(diedAt + failureMs).toISOString().slice(0, 16).replace('T', ' ');
  return `a process ended while it loaded ${name}’s library (it crashed, or was killed): left out until ${until} UTC. Run dcnet setup ${name} to install it anew, or name it (setting dcnet.backend, --backend ${name}) to try it at once.`;
}

/** When a process was last at this with a runtime and came to its end meanwhile: Unix time, ms; not over a day ago. */
export async function readFatal(stage: Stage, name: BackendName): Promise<number | undefined> {
  const times = (await deadMarks(stage, name)).map(({ startedAt }) => startedAt);
  return times.length === 0 ? undefined : Math.max(...times);
}

/** What earlier processes did with a runtime no longer counts: it was installed anew, or is noted elsewhere. */
export async function forgetFatal(name: BackendName): Promise<void> {
  for (const stage of stages) await forgetDead(stage, name);
}

/** Do what may take this process down while a file of its own tells of it, which stays where that happens. */
export async function whileMarked<T>(
  stage: Stage,
  name: BackendName,
  work: () => T | Promise<T>,
): Promise<T> {
  const file = path.join(userDataFolder(), `${stemOf(stage, name)}${process.pid}.json`);
  const mark: z.infer<typeof markSchema> = { machine: thisMachine(), startedAt: Date.now() };
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
    await forgetDead(stage, name); // it no longer takes processes down
  }
}

/** By these a user, a terminal that closes or the system ends a process. */
export const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

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

interface DeadMark {
  readonly file: string;
  readonly startedAt: number;
}

/** Marks of this machine whose processes are no more; those of more than a day ago go. */
async function deadMarks(stage: Stage, name: BackendName): Promise<readonly DeadMark[]> {
  const stem = stemOf(stage, name);
  const names = await readdir(userDataFolder()).catch(() => []);
  const dead: DeadMark[] = [];
  for (const each of names) {
    const [, pid] = (each.startsWith(stem) && /^(\d+)\.json$/.exec(each.slice(stem.length))) || [];
    if (pid === undefined || isProcessAlive(Number(pid))) continue;
    const file = path.join(userDataFolder(), each);
    const mark = await readMark(file);
    if (mark?.machine !== thisMachine()) continue;
    if (Math.abs(Date.now() - mark.startedAt) > failureMs) rmSync(file, { force: true });
    else dead.push({ file, startedAt: mark.startedAt });
  }
  return dead;
}

async function readMark(file: string): Promise<z.infer<typeof markSchema> | undefined> {
  try {
    return markSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return undefined; // another process has just removed it
  }
}

async function forgetDead(stage: Stage, name: BackendName): Promise<void> {
  for (const { file } of await deadMarks(stage, name)) rmSync(file, { force: true });
}

/** A mark's file name up to its process's id: processes at the same do not speak for each other. */
function stemOf(stage: Stage, name: BackendName): string {
  return `runtime-${stage}-${name}-`;
}

function thisMachine(): string {
  return createHash('sha256').update(JSON.stringify(describeMachine())).digest('hex');
}
