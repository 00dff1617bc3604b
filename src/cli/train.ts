import { EventEmitter, once } from 'node:events';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { parseConfig } from '../core/config/parse.js';
import { DcnetError } from '../core/errors.js';
import { type BatchParts, describeParts, halvedBatch, partsCaveat } from '../core/run/batchParts.js';
import { endedWithoutWord, lessMemory } from '../core/run/liveness.js';
import type { Summary } from '../core/run/run.js';
import { runtimeParagraph } from '../core/run/runtime.js';
import { isProcessAlive } from '../engine/training/processes.js';
import { RunFolder } from '../engine/training/runFolder.js';
import { readConfigFile, sayWarnings } from './configFile.js';
import { type EngineFlags, onInterrupt, startEngine } from './engine.js';
import { exitCodeOf, type Output, percent, usageError } from './output.js';
import { createTrainingProgress } from './progress.js';

export interface TrainFlags extends EngineFlags {
  readonly name?: string;
  readonly runs?: string;
  readonly resume?: string;
  readonly onMemory: 'stop' | 'halve';
}

/** Where runs are kept, beside the config. */
const runsFolder = 'runs';

/**
 * Train a config, or go on with a run, to its end. Ctrl-C or a terminal that closes stops after the current step, with a
 * checkpoint; a second Ctrl-C ends at once.
 * @returns the exit code
 * @throws DcnetError before the training starts
 */
export async function train(config: string | undefined, flags: TrainFlags, output: Output): Promise<number> {
  const progress = createTrainingProgress(output);
  const summaries = new EventEmitter<{ finished: [Summary] }>();
  const engine = await startEngine(flags, output, {
    runChanged: (_, state) => progress.show(state),
    runFinished: (_, summary) => summaries.emit('finished', summary),
  });
  const halve = flags.onMemory === 'halve';
  const resume = async (run: string) => {
    const warning = await killWarning(run, halve);
    if (warning !== undefined) output.warn(warning);
    const change = await engine.queue.changeWarning(run);
    if (change !== undefined) output.warn(`warning: ${change}`);
    return engine.queue.resume(run, { halve });
  };
  let finished = once(summaries, 'finished') as Promise<[Summary]>;
  const { runDirectory } = await (flags.resume === undefined
    ? engine.queue.start(await readRequest(config, flags, output))
    : resume(await findRun(flags.resume, config, flags)));
  output.say(`Run: ${runDirectory}`);
  output.say(`On ${runtimeParagraph(engine.runtime)}`);

  const stopListening = onInterrupt(() => {
    output.warn('\nStopping after this step, with a checkpoint; Ctrl-C again ends at once.');
    void engine.stop();
  });
  try {
    let [summary] = await finished;
    for (let smaller = halved(summary); halve && smaller !== undefined; smaller = halved(summary)) {
      output.warn(
        `warning: ${summary.error?.message} Going on with ${describeParts(smaller)}. ${partsCaveat}`,
      );
      finished = once(summaries, 'finished') as Promise<[Summary]>;
      await engine.queue.resume(runDirectory, { halve });
      [summary] = await finished;
    }
    progress.end();
    // What follows a completed run: its inspection, for the layer panel.
    await engine.queue.whenIdle();
    say(summary, runDirectory, output);
    output.answer(answer(summary, runDirectory));
    return summary.error === undefined ? 0 : exitCodeOf(new DcnetError(summary.error));
  } finally {
    progress.end();
    stopListening();
  }
}

/** What to tell of a run whose process ended without a word; it goes on where that was. */
async function killWarning(runDirectory: string, halve: boolean): Promise<string | undefined> {
  const state = await (await RunFolder.open(runDirectory)).readState();
  if (state === undefined || !endedWithoutWord(state, isProcessAlive)) return undefined;
  const smaller = state.batch && halvedBatch(state.batch);
  const what = `warning: The process that trained ${state.name} ended without a word: where the operating system did that, most probably for lack of memory.`;
  const goingOn =
    smaller === undefined
      ? ''
      : halve
        ? ` Going on with ${describeParts(smaller)}. ${partsCaveat}`
        : ` --on-memory halve goes on with ${describeParts(smaller)}.`;
  return `${what}${goingOn} ${lessMemory}`;
}

/** What can be gone on with after a step that did not fit into memory. */
function halved({ error, batch }: Summary): BatchParts | undefined {
  return error?.code === 'memory' && batch !== undefined ? halvedBatch(batch) : undefined;
}

async function readRequest(config: string | undefined, { name, runs }: TrainFlags, output: Output) {
  if (config === undefined)
    throw usageError('There is nothing to train.', 'Name a config (*.dcnet.json), or a run with --resume.');
  const { configFile, configText } = await readConfigFile(config);
  sayWarnings(parseConfig(configText).problems, configFile, output);
  return { configFile, configText, name, runsDirectory: runsDirectory(configFile, runs) };
}

function runsDirectory(configFile: string, runs: string | undefined): string {
  return path.resolve(runs ?? path.join(path.dirname(configFile), runsFolder));
}

/** A run by its folder, or by its name in the runs directory. */
async function findRun(run: string, config: string | undefined, { runs }: TrainFlags): Promise<string> {
  const candidates = [
    path.resolve(run),
    path.join(runsDirectory(path.resolve(config ?? 'config'), runs), run),
  ];
  for (const candidate of candidates)
    if ((await stat(candidate).catch(() => undefined))?.isDirectory()) return candidate;
  throw usageError(`There is no run ${run}.`, 'Name a run’s folder, or its name with --runs <directory>.');
}

/** The one object that machines read. */
function answer(summary: Summary, runDirectory: string) {
  const absolute = (file: string | undefined): string | undefined =>
    file === undefined ? undefined : path.resolve(runDirectory, file);
  return {
    ...summary,
    run: runDirectory,
    checkpoint: absolute(summary.checkpoint),
    bestCheckpoint: absolute(summary.bestCheckpoint),
  };
}

function say(summary: Summary, runDirectory: string, output: Output): void {
  const { name, status, testAccuracy, bestTestAccuracy, bestEpoch, error } = summary;
  output.say(`${name}: ${status} after ${summary.steps} steps, ${summary.epochs} epochs.`);
  if (testAccuracy !== undefined)
    output.say(
      `Accuracy on the test images after the last epoch: ${percent(testAccuracy)} (best ${percent(bestTestAccuracy ?? testAccuracy)}, after epoch ${bestEpoch}; chosen on the test images, so optimistic).`,
    );
  output.say(
    `${summary.trainSeconds.toFixed(1)} s, ${summary.imagesPerSecond.toFixed(0)} images/s, ${summary.parameters.toLocaleString('en')} weights, ${summary.backend} on ${summary.device}.`,
  );
  if (summary.checkpoint !== undefined)
    output.say(`Checkpoint: ${path.resolve(runDirectory, summary.checkpoint)}`);
  if (status === 'stopped') output.say(`Go on with: dcnet train --resume ${runDirectory}`);
  if (error !== undefined) output.warn(`error: ${new DcnetError(error).describe()}`);
}
