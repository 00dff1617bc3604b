import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { isProcessAlive } from '../training/processes.js';

/** Where packages are being installed. */
export interface PartialFolder {
  readonly work: string;
  /** For every program that takes part: what it writes for the time being is inside, too, and goes whatever becomes of it. */
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Install packages in a folder beside the final one, which takes its place when all went well. A failure leaves what was there
 * before, and nothing else; what a process left that was killed goes first.
 */
export async function inPartialFolder<T>(
  folder: string,
  install: (partial: PartialFolder) => Promise<T>,
): Promise<T> {
  await sweepPartialFolders(folder);
  const work = `${partialPrefix(folder)}${process.pid}-${randomUUID()}`;
  try {
    const temporary = path.resolve(work, 'tmp');
    await mkdir(temporary, { recursive: true });
    await writeFile(path.join(work, 'package.json'), '{ "private": true }\n');
    const env = { TMPDIR: temporary, TMP: temporary, TEMP: temporary };
    const installed = await install({ work, env });
    await rm(temporary, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
    await rename(work, folder);
    return installed;
  } catch (thrown) {
    await rm(work, { recursive: true, force: true });
    throw thrown;
  }
}

/** Remove what set-ups of a folder left whose process is no more; those under way, and other machines', stay. */
export async function sweepPartialFolders(folder: string): Promise<void> {
  const prefix = path.basename(partialPrefix(folder));
  const parent = path.dirname(folder);
  const names = await readdir(parent).catch(() => []); // not there: nothing was ever set up
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number.parseInt(name.slice(prefix.length), 10);
    if (!(pid > 0) || isProcessAlive(pid)) continue;
    // What a program that outlived its set-up still writes to goes the next time.
    await rm(path.join(parent, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

/** A home may be shared between machines, on each of which a process has that id: the name says which one's it is. */
function partialPrefix(folder: string): string {
  return `${folder}.partial-${os.hostname()}-`;
}
