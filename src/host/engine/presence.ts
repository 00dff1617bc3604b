import { readFile, rm } from 'node:fs/promises';
import type * as z from 'zod';
import { enginePresenceSchema } from '../../protocol/engine.js';

export type Presence = z.infer<typeof enginePresenceSchema>;

/** What an engine wrote about itself; undefined where there is no such file, or only half of one. */
export async function readPresence(file: string): Promise<Presence | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
  try {
    const parsed = enginePresenceSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined; // being written, or cut off: an engine that is up writes it anew
  }
}

export async function removePresence(file: string): Promise<void> {
  await rm(file, { force: true });
}

/** Whether a process of this id is there (on this machine). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM'; // there, but somebody else's
  }
}
