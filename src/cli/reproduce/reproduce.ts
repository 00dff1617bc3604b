import { mkdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { version } from '../../../package.json';
import { asDcnetError, DcnetError } from '../../core/errors.js';
import { attackedImages } from '../../core/reproduce/attacks.js';
import {
  type Cell,
  type Experiment,
  type ExperimentName,
  runName,
  runsOf,
  type Scale,
} from '../../core/reproduce/experiment.js';
import type { ReportedRun } from '../../core/reproduce/markdown.js';
import { dataKindOf, planExperiment } from '../../core/reproduce/plan.js';
import { type CellResult, chooseCells, hasConverged, type SeedValue } from '../../core/reproduce/results.js';
import { fewestSteps } from '../../core/reproduce/settings.js';
import type { Summary } from '../../core/run/run.js';
import { RunFolder } from '../../engine/training/runFolder.js';
import { type EngineFlags, engineArguments, onInterrupt } from '../engine.js';
import { type Output, usageError } from '../output.js';
import { accuracyOf, attack, brokenChecks } from './attacked.js';
import { findData } from './data.js';
import { drawFigure } from './figure.js';
import { cancelled, type RunOutcome, runsDirectory, type SeededRun, trainGrid } from './grid.js';
import { writeExperimentReport } from './writeReport.js';

export interface ReproduceFlags extends EngineFlags {
  readonly scale: Scale;
  readonly only: readonly string[];
  readonly seeds: number;
  /** Left out: one a core at the small scale, one at the full one. */
  readonly parallel?: number;
  /** Of each training; left out: those of the scale. */
  readonly steps?: number;
  readonly out: string;
  readonly data?: string;
}

/** Exit code where a cell failed. */
const failedExitCode = 1;

/**
 * Train the grid of a table or figure, as far as it is not trained yet, and write the report. Ctrl-C or a terminal that closes stops
 * with checkpoints and reports what is there; the same command goes on.
 * @returns the exit code: 1 where a cell failed
 * @throws DcnetError `cancelled` after an interruption; what concerns all runs
 */
export async function reproduce(
  name: ExperimentName,
  flags: ReproduceFlags,
  output: Output,
): Promise<number> {
  if (flags.steps !== undefined && flags.steps < fewestSteps)
    throw usageError(`${flags.steps} steps are too few.`, `Give --steps at least ${fewestSteps}.`);
  const kind = dataKindOf(name, flags.scale);
  const data = kind === undefined ? undefined : await findData(kind, flags.data);
  // figure3 is trained on nothing, and asks for no data.
  const experiment = planExperiment(name, flags.scale, data ?? { kind: 'mnist', folder: '' }, flags.steps);
  const cells = chooseCells(experiment, flags.only);
  if (cells.length === 0 && experiment.cells.length > 0)
    throw usageError(
      `No cell of ${name} is called ${flags.only.join(' or ')}.`,
      `Rows: ${experiment.rows.join('; ')}. Columns: ${experiment.columns.join('; ')}. * stands for anything.`,
    );
  const seeds = Array.from({ length: flags.seeds }, (_, i) => i + 1);
  const folder = path.resolve(flags.out, experiment.folder);
  await mkdir(folder, { recursive: true });

  const parallel = flags.parallel ?? (flags.scale === 'small' ? os.availableParallelism() : 1);
  const abort = new AbortController();
  const stopListening = onInterrupt(() => {
    output.warn('\nStopping, with checkpoints; Ctrl-C again ends at once.');
    abort.abort();
  });
  try {
    const runs = seeds.flatMap((seed) => runsOf(experiment, cells).map((plan) => ({ plan, seed })));
    const outcomes = await trainGrid(runs, {
      folder,
      parallel,
      trainOptions: trainOptions(flags, parallel),
      signal: abort.signal,
      output,
    });
    const measuring = { experiment, outcomes, folder, flags, signal: abort.signal, output };
    const { results, warnings } = await measureAll(cells, seeds, measuring);
    const interrupted = abort.signal.aborted;
    const drawn = await drawFigure(experiment, cells, seeds, folder, flags, output);
    const files = await writeExperimentReport(
      folder,
      name,
      {
        experiment,
        results,
        seeds,
        runs: await Promise.all(runs.map((run) => reported(run, folder, outcomes))),
        data: data === undefined ? undefined : `${data.kind}, ${await dataHash(folder, runs)}`,
        machine: `${os.cpus()[0]?.model.trim() ?? os.arch()}, ${os.availableParallelism()} cores`,
        version,
        date: new Date().toISOString().slice(0, 10),
        pictured: drawn.table,
        picturedValues: drawn.values,
        warnings,
        interrupted,
      },
      drawn.pictures,
    );
    output.say(`Report: ${files.markdown}\n        ${files.html}`);
    if (interrupted) throw cancelled();
    output.answer({ experiment: name, scale: flags.scale, folder, ...files, results, warnings });
    return results.some(({ values }) => values.some(({ value }) => value === 'failed')) ? failedExitCode : 0;
  } finally {
    stopListening();
  }
}

function trainOptions(flags: ReproduceFlags, parallel: number): readonly string[] {
  const workers = flags.workers ?? (parallel > 1 ? 1 : undefined);
  return ['--no-inspection', ...engineArguments({ ...flags, workers })];
}

interface Measuring {
  readonly experiment: Experiment;
  readonly outcomes: ReadonlyMap<string, RunOutcome>;
  readonly folder: string;
  readonly flags: ReproduceFlags;
  readonly signal: AbortSignal;
  readonly output: Output;
}

/** The numbers of the cells, as far as their runs are over; what failed, and what is wrong with a number, in words. */
async function measureAll(
  cells: readonly Cell[],
  seeds: readonly number[],
  measuring: Measuring,
): Promise<{ readonly results: readonly CellResult[]; readonly warnings: readonly string[] }> {
  const results: CellResult[] = [];
  const warnings = new Set<string>();
  for (const cell of cells) {
    const values: SeedValue[] = [];
    for (const seed of seeds)
      try {
        const value = await measure(cell, seed, measuring, (warning) => void warnings.add(warning));
        if (value !== undefined) values.push({ seed, value });
      } catch (thrown) {
        const { details } = asDcnetError(thrown);
        if (details.code === 'cancelled') continue; // not run
        const where = `${cell.row} · ${cell.column}, seed ${seed}`;
        warnings.add(`${where} failed: ${details.message}`);
        measuring.output.warn(`${where}: failed: ${details.message}`);
        values.push({ seed, value: 'failed' });
      }
    results.push({ cell, values });
  }
  return { results, warnings: [...warnings] };
}

/**
 * A cell's number for one seed, percent; undefined where its run is not over.
 * @throws DcnetError why there is none
 */
async function measure(
  { row, run, measure: how }: Cell,
  seed: number,
  { experiment: { data, scale }, outcomes, folder, flags, signal, output }: Measuring,
  warn: (warning: string) => void,
): Promise<SeedValue['value'] | undefined> {
  const outcome = outcomes.get(runName(run, seed));
  if (outcome === undefined || data === undefined) return undefined;
  if (outcome.kind === 'failed') throw new DcnetError(outcome.error);
  const { status, testAccuracy } = outcome.summary;
  if (status !== 'completed' || testAccuracy === undefined || !hasConverged(testAccuracy, data)) return 'n/c';
  switch (how.kind) {
    case 'test-error':
      return 100 * (1 - testAccuracy);
    case 'test-accuracy':
      return 100 * testAccuracy;
    case 'attacked-accuracy': {
      const trained = (id: string): string | undefined => trainedNetwork(id, seed, folder, outcomes);
      const target = trained(run);
      const source = how.source === undefined ? undefined : trained(how.source);
      // An interruption came between: its runs are over but the source is not.
      if (target === undefined || (how.source !== undefined && source === undefined)) return undefined;
      const suffix = how.source === undefined ? '' : '-transfer';
      const file = path.join(folder, 'attacks', `${runName(run, seed)}${suffix}.json`);
      const report = await attack(
        { target, source, images: attackedImages(scale), file },
        { flags, signal, output },
      );
      const { failed, notRun } = brokenChecks(report);
      for (const check of failed) warn(`${row}, seed ${seed}, attacked: ${check}`);
      for (const check of notRun) warn(`Not checked of the attacks: ${check}`);
      return 100 * accuracyOf(report, how);
    }
  }
}

/**
 * The checkpoint of a completed run; undefined where the run is not over.
 * @throws DcnetError where it failed or diverged
 */
function trainedNetwork(
  id: string,
  seed: number,
  folder: string,
  outcomes: ReadonlyMap<string, RunOutcome>,
): string | undefined {
  const name = runName(id, seed);
  const outcome = outcomes.get(name);
  if (outcome === undefined) return undefined;
  if (outcome.kind === 'failed') throw new DcnetError(outcome.error);
  const { status, checkpoint, error } = outcome.summary;
  if (status === 'completed' && checkpoint !== undefined)
    return path.join(folder, runsDirectory, name, checkpoint);
  throw new DcnetError(
    error ?? {
      code: 'checkpoint',
      message: `The run ${name} has no checkpoint.`,
      remedy: 'Delete the run and give the command again.',
    },
  );
}

async function summaryOf(name: string, folder: string): Promise<Summary | undefined> {
  const directory = path.join(folder, runsDirectory, name);
  return (await RunFolder.open(directory).catch(() => undefined))?.readSummary();
}

/** A run as the report lists it: also one that was stopped, failed or never begun. */
async function reported(
  { plan, seed }: SeededRun,
  folder: string,
  outcomes: ReadonlyMap<string, RunOutcome>,
): Promise<ReportedRun> {
  const name = runName(plan.id, seed);
  const outcome = outcomes.get(name);
  const summary = outcome?.kind === 'result' ? outcome.summary : await summaryOf(name, folder);
  const status = (): string => {
    if (outcome?.kind === 'failed') return `failed: ${outcome.error.message}`;
    if (summary?.error?.code === 'diverged') return 'diverged';
    return summary?.status ?? 'not run';
  };
  return {
    name,
    status: status(),
    steps: summary?.steps,
    seconds: summary?.trainSeconds,
    backend: summary && `${summary.backend} on ${summary.device}`,
  };
}

/** All runs of a grid have the same data: the first that began tells of it. */
async function dataHash(folder: string, runs: readonly SeededRun[]): Promise<string> {
  for (const { plan, seed } of runs) {
    const directory = path.join(folder, runsDirectory, runName(plan.id, seed));
    const environment = await (await RunFolder.open(directory).catch(() => undefined))?.readEnvironment();
    if (environment === undefined) continue;
    const { trainImages, testImages, sha256 } = environment.data;
    const count = (images: number): string => images.toLocaleString('en');
    return `${count(trainImages)} training and ${count(testImages)} test images, SHA-256 ${sha256.slice(0, 16)}…`;
  }
  return 'not read';
}
