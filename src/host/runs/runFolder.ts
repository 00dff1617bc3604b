import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type * as z from 'zod';
import { actualState } from '../../core/run/liveness.js';
import {
  checkpointExtension,
  type Environment,
  environmentSchema,
  type RunState,
  runFiles,
  runStateSchema,
  type Summary,
  summarySchema,
} from '../../core/run/run.js';
import { isAlive } from '../engine/presence.js';

export interface CheckpointFile {
  /** Absolute path. */
  readonly file: string;
  /** `epoch-0003`, `best`, … */
  readonly name: string;
  readonly modifiedMs: number;
}

/** What a run's folder says of it, all at one time. */
export interface RunSnapshot {
  /** Absolute path. */
  readonly directory: string;
  /** The folder's name, which is the run's. */
  readonly name: string;
  readonly state: RunState;
  readonly startedMs: number;
  readonly environment: Environment | undefined;
  readonly summary: Summary | undefined;
  /** Oldest first. */
  readonly checkpoints: readonly CheckpointFile[];
}

/** The one checkpoint that is written again and again; the others stay as they are. */
const replacedCheckpoint = 'best';

/**
 * Read a run's folder as it is, also while another process writes to it.
 * @param before what an earlier reading found, so that old checkpoints are not looked at again
 * @returns undefined for a folder that is no run, or whose state cannot be read
 */
export async function readRunFolder(
  directory: string,
  before?: RunSnapshot,
): Promise<RunSnapshot | undefined> {
  const [state, environment, summary, checkpoints] = await Promise.all([
    readJson(path.join(directory, runFiles.state), runStateSchema),
    readJson(path.join(directory, runFiles.environment), environmentSchema),
    readJson(path.join(directory, runFiles.summary), summarySchema),
    readCheckpoints(path.join(directory, runFiles.checkpoints), before?.checkpoints ?? []),
  ]);
  if (state === undefined) return undefined;
  const started = environment?.startedAt ?? state.updatedAt;
  const name = path.basename(directory);
  return {
    directory,
    name,
    state: { ...actualState(state, isAlive), name },
    startedMs: Date.parse(started),
    environment,
    summary,
    checkpoints,
  };
}

/** The run folders in a runs directory; none where it does not exist yet. */
export async function listRunFolders(runsDirectory: string): Promise<readonly string[]> {
  const entries = await orNone(readdir(runsDirectory, { withFileTypes: true }));
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => path.join(runsDirectory, name));
}

async function readCheckpoints(
  directory: string,
  before: readonly CheckpointFile[],
): Promise<readonly CheckpointFile[]> {
  const known = new Map(before.map((checkpoint) => [checkpoint.name, checkpoint]));
  known.delete(replacedCheckpoint);
  const names = (await orNone(readdir(directory)))
    .filter((file) => file.endsWith(checkpointExtension))
    .map((file) => file.slice(0, -checkpointExtension.length));
  const files = await Promise.all(
    names.map(async (name) => known.get(name) ?? readCheckpoint(directory, name)),
  );
  return files
    .filter((file) => file !== undefined)
    .sort((a, b) => a.modifiedMs - b.modifiedMs || a.name.localeCompare(b.name));
}

async function readCheckpoint(directory: string, name: string): Promise<CheckpointFile | undefined> {
  const file = path.join(directory, name + checkpointExtension);
  const stats = await orMissing(stat(file));
  return stats && { file, name, modifiedMs: stats.mtimeMs };
}

/** The checkpoint that a run is looked into by: its last one, not the best, which was chosen on the test images. */
export function newestCheckpoint(run: RunSnapshot | undefined): CheckpointFile | undefined {
  return run?.checkpoints.findLast(({ name }) => name !== 'best') ?? run?.checkpoints.at(-1);
}

/** A JSON file of an agreed form; undefined where it is missing or (while it is replaced) not whole. */
async function readJson<S extends z.ZodType>(file: string, schema: S): Promise<z.infer<S> | undefined> {
  const text = await orMissing(readFile(file, 'utf8'));
  if (text === undefined) return undefined;
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // cut off: its writer replaces it, and the watcher tells
  }
}

const absent = new Set(['ENOENT', 'ENOTDIR']);

async function orMissing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (thrown) {
    if (absent.has((thrown as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw thrown;
  }
}

async function orNone<T>(reading: Promise<T[]>): Promise<T[]> {
  return (await orMissing(reading)) ?? [];
}
