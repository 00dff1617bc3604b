import { readdir, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { requireConfig } from '../../core/config/parse.js';
import { presetOf } from '../../core/config/presets/layersOf.js';
import type { Config } from '../../core/config/schema.js';
import { asDcnetError, DcnetError, type ErrorDetails } from '../../core/errors.js';
import { configSeed, type PlannedRun, runName } from '../../core/reproduce/experiment.js';
import { actualState } from '../../core/run/liveness.js';
import { nextRunName } from '../../core/run/names.js';
import { configExtension, isOver, runFiles, type Summary } from '../../core/run/run.js';
import { replaceFile } from '../../engine/checkpoint/atomicFile.js';
import { readCheckpointMetadata } from '../../engine/checkpoint/checkpoint.js';
import { isProcessAlive } from '../../engine/training/processes.js';
import { RunFolder } from '../../engine/training/runFolder.js';
import { clockTime, type Output } from '../output.js';
import { failureOf, runCommand } from './child.js';

/** A run with its seed. */
export interface SeededRun {
  readonly plan: PlannedRun;
  readonly seed: number;
}

export interface GridOptions {
  /** Absolute; holds the configs, and `runs/`. */
  readonly folder: string;
  /** Trainings at once, each in a process of its own. */
  readonly parallel: number;
  /** Options of `dcnet train` for each. */
  readonly trainOptions: readonly string[];
  readonly signal: AbortSignal;
  readonly output: Output;
}

export const runsDirectory = 'runs';

/** What became of a run: a result (complete, or diverged), or a failure that says nothing of the network. */
export type RunOutcome =
  | { readonly kind: 'result'; readonly summary: Summary }
  | { readonly kind: 'failed'; readonly error: ErrorDetails };

/** Errors that every run of the grid would meet: trying the others costs time and tells nothing. */
const general: readonly ErrorDetails['code'][] = ['usage', 'data', 'backend'];

/**
 * Train every run that is not complete: new ones from the start, interrupted ones from their newest checkpoint. One of
 * another network than its config gives by now is told of, put aside and trained anew. A run that diverges is a result; one
 * that fails is told of, and the others go on. After an abort the outcomes so far come
 * back; runs without one were not run to their end.
 * @throws DcnetError `usage` where a run was made with another config, `data` and `backend`: what concerns all runs
 */
export async function trainGrid(
  runs: readonly SeededRun[],
  options: GridOptions,
): Promise<ReadonlyMap<string, RunOutcome>> {
  const { output, signal, parallel } = options;
  const outcomes = new Map<string, RunOutcome>();
  const open: { readonly name: string; readonly resume: boolean }[] = [];
  for (const run of runs) {
    const name = runName(run.plan.id, run.seed);
    const known = await prepare(run, name, options);
    if (known.summary === undefined) open.push({ name, resume: known.started });
    else outcomes.set(name, { kind: 'result', summary: known.summary });
  }
  if (outcomes.size > 0) output.say(`${outcomes.size} of ${runs.length} runs are complete already.`);

  const startedAt = performance.now();
  let [begun, finished] = [outcomes.size, 0];
  const queue = [...open];
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined && !signal.aborted; next = queue.shift()) {
      const { name, resume } = next;
      output.say(`${name}: ${resume ? 'goes on' : 'training'} (${++begun} of ${runs.length})`);
      const outcome = await trainOne(name, resume, options);
      if (outcome === undefined) return;
      outcomes.set(name, outcome);
      if (outcome.kind === 'failed' && general.includes(outcome.error.code)) {
        queue.length = 0;
        throw new DcnetError(outcome.error);
      }
      finished++;
      const each = (performance.now() - startedAt) / 1000 / finished;
      const left =
        finished === open.length ? '' : `; some ${clockTime(each * (open.length - finished))} left`;
      if (outcome.kind === 'result') output.say(`${name}: ${outcomeWords(outcome.summary)}${left}`);
      else output.warn(`${name}: failed: ${outcome.error.message}${left}`);
    }
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(parallel, open.length) }, work));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return outcomes;
}

interface KnownRun {
  /** Whether there is a run to go on with. */
  readonly started: boolean;
  /** Of a run that is over, with a result. */
  readonly summary: Summary | undefined;
}

const notStarted: KnownRun = { started: false, summary: undefined };

/** Write the run's config; what is known of a run of that name. */
async function prepare(
  { plan, seed }: SeededRun,
  name: string,
  { folder, output }: GridOptions,
): Promise<KnownRun> {
  const text = `${JSON.stringify({ ...plan.config, seed: configSeed(plan, seed) }, undefined, 2)}\n`;
  const directory = path.join(folder, runsDirectory, name);
  const earlier = await readFile(path.join(directory, runFiles.config), 'utf8').catch(
    (thrown: NodeJS.ErrnoException) => {
      if (thrown.code === 'ENOENT') return undefined;
      throw thrown;
    },
  );
  if (earlier !== undefined && earlier !== text)
    throw new DcnetError({
      code: 'usage',
      message: `The run ${name} was made with another config than this command would give it.`,
      remedy: 'Choose another folder with --out, or delete the run.',
      file: directory,
    });
  const file = configFile(folder, name);
  await replaceFile(file, Buffer.from(text));
  if (earlier === undefined) return notStarted;
  return knownRun(await RunFolder.open(directory), requireConfig(text, file).config, output);
}

/** A run that counts for its config as it is read by now; what does not is told of, and put aside. */
async function knownRun(run: RunFolder, config: Config, output: Output): Promise<KnownRun> {
  const [summary, state] = [await run.readSummary(), await run.readState()];
  const result = summary !== undefined && isResult(summary) ? summary : undefined;
  // Who trains it now is told by its resumption.
  if (state !== undefined && !isOver(actualState(state, isProcessAlive).status))
    return { started: true, summary: undefined };
  const checkpoint = await run.newestCheckpoint(1); // any: all of a run are of one network
  if (checkpoint === undefined) {
    if (result !== undefined)
      output.warn(
        `${run.name}: it diverged before its first checkpoint, which alone would tell its network: it is trained again.`,
      );
    return { started: true, summary: undefined };
  }
  const why = await whyOtherNetwork(checkpoint, config);
  if (why === undefined) return { started: true, summary: result };
  const runs = path.dirname(run.directory);
  const aside = path.join(runs, nextRunName(`${run.name}-before`, new Set(await readdir(runs))));
  await rename(run.directory, aside);
  output.warn(`${run.name}: ${why} It is trained anew; the earlier run is ${aside} now.`);
  return notStarted;
}

/** Why a checkpoint's network is not the one that its config gives by now, or may not be; undefined where it is. */
async function whyOtherNetwork(checkpoint: string, config: Config): Promise<string | undefined> {
  const preset = presetOf(config)?.preset;
  if (preset === undefined) return undefined;
  try {
    const made = await readCheckpointMetadata(checkpoint);
    if (presetOf(made.config) !== undefined) return undefined;
    return `The preset ${preset} stood for other layers when it was trained.`;
  } catch (thrown) {
    const { code, message } = asDcnetError(thrown).details;
    if (code !== 'checkpoint') throw thrown;
    return message;
  }
}

function configFile(folder: string, name: string): string {
  return path.join(folder, `${name}${configExtension}`);
}

/** Complete, or diverged: training again would diverge again. */
function isResult({ status, error }: Summary): boolean {
  return status === 'completed' || error?.code === 'diverged';
}

/** @returns undefined where the abort stopped it */
async function trainOne(
  name: string,
  resume: boolean,
  { folder, trainOptions, signal, output }: GridOptions,
): Promise<RunOutcome | undefined> {
  const runs = path.join(folder, runsDirectory);
  const what = resume
    ? ['train', '--resume', path.join(runs, name)]
    : ['train', configFile(folder, name), '--name', name, '--runs', runs];
  const ended = await runCommand([...what, ...trainOptions], {
    signal,
    onLine: (line) => {
      if (line.startsWith('warning:')) output.warn(`${name}: ${line}`);
    },
  });
  const summary = await (await RunFolder.open(path.join(runs, name)).catch(() => undefined))?.readSummary();
  if (summary !== undefined && isResult(summary)) return { kind: 'result', summary };
  if (signal.aborted) return undefined;
  return { kind: 'failed', error: failureOf(`The training of ${name}`, ended).details };
}

function outcomeWords({ status, testAccuracy, trainSeconds }: Summary): string {
  const time = `${clockTime(trainSeconds)} of training`;
  return status === 'completed' && testAccuracy !== undefined
    ? `${(100 * testAccuracy).toFixed(2)} % right after the last step, ${time}`
    : `diverged after ${time}`;
}

export function cancelled(): DcnetError {
  return new DcnetError({
    code: 'cancelled',
    message: 'The experiment was stopped.',
    remedy: 'The same command goes on where it was.',
  });
}
