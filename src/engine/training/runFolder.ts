import { appendFile, mkdir, open, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import { asDcnetError, DcnetError } from '../../core/errors.js';
import { parseMetrics } from '../../core/run/metrics.js';
import { checkpointStep, nextRunName, runNameProblem } from '../../core/run/names.js';
import {
  checkpointExtension,
  type Environment,
  environmentSchema,
  type MetricsRecord,
  type RunState,
  runFiles,
  runStateSchema,
  type Summary,
  summarySchema,
} from '../../core/run/run.js';
import { replaceFile } from '../checkpoint/atomicFile.js';

/** Reads and writes one run's folder. Every failure is a `DcnetError` `io` that names the file. */
export class RunFolder {
  readonly name: string;

  /** @param directory absolute */
  constructor(readonly directory: string) {
    this.name = path.basename(directory);
  }

  /**
   * Make the folder of a new run and put the config's text in it.
   * @param name left out: the config's name with the next free number
   * @throws DcnetError `usage` when the name cannot be used or is taken
   */
  static async create(
    runsDirectory: string,
    configFile: string,
    configText: string,
    name?: string,
  ): Promise<RunFolder> {
    const problem = name === undefined ? undefined : runNameProblem(name);
    if (problem !== undefined)
      throw new DcnetError({ code: 'usage', message: problem, remedy: 'Choose another name.' });
    await io(runsDirectory, 'made', () => mkdir(runsDirectory, { recursive: true }));
    const taken = new Set(await io(runsDirectory, 'read', () => readdir(runsDirectory)));
    for (;;) {
      const tried = name ?? nextRunName(configFile, taken);
      const folder = new RunFolder(path.join(runsDirectory, tried));
      // Not `recursive`: of two that want the name at once, one is told that it is taken.
      const made = await io(folder.directory, 'made', () =>
        mkdir(folder.directory).then(
          () => true,
          (thrown: NodeJS.ErrnoException) => {
            if (thrown.code === 'EEXIST') return false;
            throw thrown;
          },
        ),
      );
      if (made) {
        await folder.#write(runFiles.config, configText);
        return folder;
      }
      if (name !== undefined)
        throw new DcnetError({
          code: 'usage',
          message: `There is a run ${name} already.`,
          remedy: 'Choose another name, or resume that run.',
          file: folder.directory,
        });
      taken.add(tried);
    }
  }

  /** @throws DcnetError `usage` when there is no run in the folder */
  static async open(directory: string): Promise<RunFolder> {
    const folder = new RunFolder(path.resolve(directory));
    try {
      await readFile(folder.path(runFiles.config));
    } catch (thrown) {
      throw new DcnetError(
        {
          code: 'usage',
          message: 'There is no run in this folder.',
          remedy: `A run’s folder has a file ${runFiles.config}: check the path.`,
          file: folder.directory,
        },
        { cause: thrown },
      );
    }
    return folder;
  }

  /** The run folder that a checkpoint lies in; `undefined` for a checkpoint elsewhere. */
  static async ofCheckpoint(checkpointFile: string): Promise<RunFolder | undefined> {
    const checkpoints = path.dirname(path.resolve(checkpointFile));
    if (path.basename(checkpoints) !== runFiles.checkpoints) return undefined;
    return RunFolder.open(path.dirname(checkpoints)).catch(() => undefined);
  }

  path(...parts: readonly string[]): string {
    return path.join(this.directory, ...parts);
  }

  /** Where a checkpoint of this name (`epoch-0001`) is. */
  checkpointFile(name: string): string {
    return this.path(runFiles.checkpoints, `${name}${checkpointExtension}`);
  }

  /** A path in the folder as records keep it: with forward slashes, so that the folder may move. */
  relative(file: string): string {
    return path.relative(this.directory, file).split(path.sep).join('/');
  }

  async makeCheckpointsDirectory(): Promise<void> {
    const directory = this.path(runFiles.checkpoints);
    await io(directory, 'made', () => mkdir(directory, { recursive: true }));
  }

  /** File of the checkpoint with the most steps; `undefined` where there is none. */
  async newestCheckpoint(stepsPerEpoch: number): Promise<string | undefined> {
    const directory = this.path(runFiles.checkpoints);
    const names = await io(directory, 'read', () => readdir(directory).catch(ifMissing<string[]>([])));
    let newest: { readonly step: number; readonly name: string } | undefined;
    for (const file of names) {
      if (!file.endsWith(checkpointExtension)) continue;
      const name = file.slice(0, -checkpointExtension.length);
      const step = checkpointStep(name, stepsPerEpoch);
      if (step !== undefined && step > (newest?.step ?? -1)) newest = { step, name };
    }
    return newest === undefined ? undefined : this.checkpointFile(newest.name);
  }

  readConfig(): Promise<string> {
    return io(this.path(runFiles.config), 'read', () => readFile(this.path(runFiles.config), 'utf8'));
  }

  /** `undefined` before the run was prepared. */
  readEnvironment(): Promise<Environment | undefined> {
    return this.#readJson(runFiles.environment, environmentSchema);
  }

  readState(): Promise<RunState | undefined> {
    return this.#readJson(runFiles.state, runStateSchema);
  }

  /** `undefined` before the run was over for the first time. */
  readSummary(): Promise<Summary | undefined> {
    return this.#readJson(runFiles.summary, summarySchema);
  }

  /** The records so far, in order of step. */
  async readMetrics(): Promise<readonly MetricsRecord[]> {
    const file = this.path(runFiles.metrics);
    return parseMetrics(await io(file, 'read', () => readFile(file, 'utf8').catch(ifMissing('')))).records;
  }

  writeEnvironment(environment: Environment): Promise<void> {
    return this.#writeJson(runFiles.environment, environment);
  }

  writeState(state: RunState): Promise<void> {
    return this.#writeJson(runFiles.state, state);
  }

  /** As `writeState`, for a process that is about to end. */
  writeStateNow(state: RunState): void {
    writeFileAtomic.sync(this.path(runFiles.state), `${JSON.stringify(state, null, 2)}\n`);
  }

  writeSummary(summary: Summary): Promise<void> {
    return this.#writeJson(runFiles.summary, summary);
  }

  async appendMetrics(record: MetricsRecord): Promise<void> {
    const file = this.path(runFiles.metrics);
    await io(file, 'written', () => appendFile(file, `${JSON.stringify(record)}\n`));
  }

  /** End a line that a killed process left half written, so that the next record has a line of its own. */
  async mendMetrics(): Promise<void> {
    const file = this.path(runFiles.metrics);
    await io(file, 'written', async () => {
      const handle = await open(file, 'a+');
      try {
        const { size } = await handle.stat();
        const last = Buffer.alloc(1);
        if (size > 0) await handle.read(last, 0, 1, size - 1);
        if (size > 0 && last.toString() !== '\n') await handle.appendFile('\n');
      } finally {
        await handle.close();
      }
    });
  }

  #writeJson(name: string, value: unknown): Promise<void> {
    return this.#write(name, `${JSON.stringify(value, null, 2)}\n`);
  }

  async #write(name: string, text: string): Promise<void> {
    const file = this.path(name);
    await io(file, 'written', () => replaceFile(file, text));
  }

  async #readJson<S extends z.ZodType>(name: string, schema: S): Promise<z.infer<S> | undefined> {
    const file = this.path(name);
    const text = await io(file, 'read', () => readFile(file, 'utf8').catch(ifMissing(undefined)));
    if (text === undefined) return undefined;
    try {
      return schema.parse(JSON.parse(text));
    } catch (thrown) {
      const why = thrown instanceof z.ZodError ? z.prettifyError(thrown) : (thrown as Error).message;
      throw new DcnetError(
        {
          code: 'io',
          message: `The file is not what was written (${why.replaceAll('\n', ' ')}).`,
          remedy: 'Restore it, or start a new run.',
          file,
        },
        { cause: thrown },
      );
    }
  }
}

function ifMissing<T>(instead: T): (thrown: NodeJS.ErrnoException) => T {
  return (thrown) => {
    if (thrown.code === 'ENOENT') return instead;
    throw thrown;
  };
}

async function io<T>(file: string, verb: 'read' | 'written' | 'made', work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof DcnetError) throw thrown;
    throw new DcnetError(
      {
        code: 'io',
        message: `It cannot be ${verb} (${asDcnetError(thrown).message}).`,
        remedy: 'Check that the disk has room and the folder may be written to.',
        file,
      },
      { cause: thrown },
    );
  }
}
