import path from 'node:path';
import { requireConfig } from '../../core/config/parse.js';
import { asDcnetError, DcnetError } from '../../core/errors.js';
import { halvedBatch } from '../../core/run/batchParts.js';
import { actualState, endedWithoutWord } from '../../core/run/liveness.js';
import { isOver, type RunState, runFiles, type Summary } from '../../core/run/run.js';
import type { OtherRuntime } from '../../protocol/engine.js';
import type { Runtime } from '../backend/backend.js';
import { describeData } from '../data/dataSet.js';
import type { DataStore } from '../data/dataStore.js';
import { locateData } from '../data/location.js';
import { trainingLength } from './batches.js';
import { TrainingControl } from './control.js';
import { changeWarning } from './environment.js';
import { isProcessAlive } from './processes.js';
import { carryOut } from './run.js';
import { RunFolder } from './runFolder.js';
import { RunTracker } from './runTracker.js';

export interface RunRequest {
  /** Absolute. */
  readonly configFile: string;
  readonly configText: string;
  readonly runsDirectory: string;
  /** Left out: the config's name and a number. */
  readonly name?: string | undefined;
}

export interface ResumeOptions {
  /** Compute a batch with half as many images at a time as before, where the run failed for memory or was killed. */
  readonly halve?: boolean | undefined;
  /** On this runtime alone, for a reason that the run's record keeps. */
  readonly on?: OtherRuntime | undefined;
}

/** Who is told what becomes of the runs. */
export interface RunQueueListener {
  changed(runDirectory: string, state: RunState): void;
  finished(runDirectory: string, summary: Summary): void;
  /** After a completed run, before the next one. */
  afterCompleted(runDirectory: string, summary: Summary): Promise<void>;
  failed(error: DcnetError): void;
}

export interface RunQueueOptions {
  readonly runtime: Runtime;
  readonly mediaDirectory: string;
  readonly dataStore: DataStore;
  readonly listener: RunQueueListener;
}

interface QueuedRun {
  readonly tracker: RunTracker;
  readonly control: TrainingControl;
  readonly configText: string;
  readonly configFile: string;
  readonly resume: boolean;
  readonly parts: number;
  readonly because?: string | undefined;
  readonly over: Promise<void>;
  readonly markOver: () => void;
}

/** Carries out runs one at a time, in the order in which they came: two at once would share the cores and the memory. */
export class RunQueue {
  readonly #runs: QueuedRun[] = [];
  #working: Promise<void> | undefined;

  constructor(private readonly options: RunQueueOptions) {}

  /** Whether a run is queued, under way or being looked into after it completed. */
  get isBusy(): boolean {
    return this.#working !== undefined;
  }

  /** Runs queued or under way. */
  list(): { readonly runDirectory: string; readonly state: RunState }[] {
    return this.#runs.map(({ tracker }) => ({
      runDirectory: tracker.folder.directory,
      state: tracker.state,
    }));
  }

  /**
   * Check config and data, make the run's folder and queue the run.
   * @throws DcnetError `config`, `data` or `usage` before anything is written
   */
  async start({ configFile, configText, runsDirectory, name }: RunRequest) {
    const size = await this.#check(configText, configFile);
    const folder = await RunFolder.create(runsDirectory, configFile, configText, name);
    return this.#enqueue(
      folder,
      { configText, configFile, resume: false, parts: 1 },
      { step: 0, epoch: 1, ...size },
    );
  }

  /**
   * Queue a stopped or failed run, or one whose process was killed, to go on from its newest checkpoint.
   * @throws DcnetError `usage` when it is under way or complete, cannot be halved any more, or is asked to go on with another
   * runtime than this process computes with; `config`, `data` as `start`
   */
  async resume(runDirectory: string, options: ResumeOptions = {}) {
    const folder = await RunFolder.open(runDirectory);
    const refuse = (message: string, remedy: string): never => {
      throw new DcnetError({ code: 'usage', message, remedy, file: folder.directory });
    };
    const { name } = this.options.runtime;
    if (options.on !== undefined && options.on.backend !== name)
      refuse(`This engine computes with ${name}, not with ${options.on.backend}.`, 'Restart the engine.');
    if (this.#find(folder.directory) !== undefined) refuse('This run is under way already.', 'Wait for it.');
    const stored = await folder.readState();
    const state = stored && actualState(stored, isProcessAlive);
    if (state !== undefined && !isOver(state.status))
      refuse(`This run is under way in the process ${state.pid}.`, 'Stop it there first.');
    if (state?.status === 'completed')
      refuse(
        'This run is complete.',
        'Start a new run, with more epochs or steps in the config if you like.',
      );
    const configText = await folder.readConfig();
    const configFile = state?.configFile ?? folder.path(runFiles.config);
    const size = await this.#check(configText, configFile);
    return this.#enqueue(
      folder,
      {
        ...{ configText, configFile, resume: true, parts: partsOf(stored, options) },
        because: options.on?.because,
      },
      { ...state, step: state?.step ?? 0, epoch: state?.epoch ?? 1, ...size },
    );
  }

  /** What to tell of a run that this process's runtime is to go on with, where another did before. */
  async changeWarning(runDirectory: string): Promise<string | undefined> {
    const environment = await (await RunFolder.open(runDirectory)).readEnvironment();
    return environment && changeWarning(environment, this.options.runtime);
  }

  /** Hold after the current step. */
  async pause(runDirectory: string): Promise<RunState> {
    const run = this.#require(runDirectory);
    run.control.hold();
    return run.tracker.state;
  }

  async continue(runDirectory: string): Promise<RunState> {
    const run = this.#require(runDirectory);
    run.control.go();
    return run.tracker.state;
  }

  /** Stop after the current step, with a checkpoint; resolves when the run is over. */
  async stop(runDirectory: string): Promise<RunState> {
    const run = this.#require(runDirectory);
    run.control.stop();
    if (run !== this.#runs[0]) {
      this.#remove(run);
      await this.#carryOut(run);
      await this.#tellPositions();
    }
    await run.over;
    return run.tracker.state;
  }

  /** Stop everything; resolves when all runs are over. */
  async stopAll(): Promise<void> {
    await Promise.all(
      this.#runs
        .map(({ tracker }) => tracker.folder.directory)
        .reverse()
        .map((runDirectory) => this.stop(runDirectory)),
    );
    await this.whenIdle();
  }

  /** Resolves when nothing is queued, under way or looked into. */
  async whenIdle(): Promise<void> {
    await this.#working;
  }

  /** The process is about to end by a defect: leave word of it in the folder of every run. */
  abandonAll(error: DcnetError): void {
    for (const { tracker } of this.#runs) tracker.abandon(error);
  }

  /** Shapes and sizes fit, and so many steps there will be. */
  async #check(configText: string, configFile: string) {
    const { config } = requireConfig(configText, configFile);
    const { mediaDirectory } = this.options;
    const info = await describeData(locateData(config.data, path.dirname(configFile), mediaDirectory));
    requireConfig(configText, configFile, info);
    return trainingLength(config, info.trainImages);
  }

  async #enqueue(
    folder: RunFolder,
    plan: Pick<QueuedRun, 'configText' | 'configFile' | 'resume' | 'parts' | 'because'>,
    known: Pick<RunState, 'step' | 'totalSteps' | 'stepsPerEpoch' | 'epoch' | 'epochs'> & Partial<RunState>,
  ): Promise<{ readonly runDirectory: string; readonly state: RunState }> {
    const { directory } = folder;
    const tracker = new RunTracker(
      folder,
      { ...known, configFile: plan.configFile, status: 'queued', pid: process.pid, error: undefined },
      (state) => this.options.listener.changed(directory, state),
    );
    let markOver = (): void => {};
    const over = new Promise<void>((resolve) => {
      markOver = resolve;
    });
    await tracker.write();
    this.#runs.push({ ...plan, tracker, control: new TrainingControl(), over, markOver });
    await this.#tellPositions();
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
    return { runDirectory: directory, state: tracker.state };
  }

  async #work(): Promise<void> {
    for (let run = this.#runs[0]; run !== undefined; run = this.#runs[0]) {
      const summary = await this.#carryOut(run);
      this.#remove(run);
      if (summary?.status === 'completed') {
        await this.options.listener
          .afterCompleted(run.tracker.folder.directory, summary)
          .catch((thrown: unknown) => this.options.listener.failed(asDcnetError(thrown)));
      }
      await this.#tellPositions();
    }
  }

  async #carryOut(run: QueuedRun): Promise<Summary | undefined> {
    const { listener } = this.options;
    try {
      const summary = await carryOut({ ...this.options, ...run }, run.tracker, run.control);
      listener.finished(run.tracker.folder.directory, summary);
      return summary;
    } catch (thrown) {
      // Not even the run's folder can be written to: whoever listens is the only one left to tell.
      listener.failed(asDcnetError(thrown));
      return undefined;
    } finally {
      run.markOver();
    }
  }

  /** The first is under way; places count from the one behind it. */
  async #tellPositions(): Promise<void> {
    for (const [position, { tracker }] of this.#runs.entries())
      if (position > 0 && tracker.state.queuePosition !== position)
        await tracker.update({ queuePosition: position });
  }

  #remove(run: QueuedRun): void {
    const at = this.#runs.indexOf(run);
    if (at >= 0) this.#runs.splice(at, 1);
  }

  #find(runDirectory: string): QueuedRun | undefined {
    const directory = path.resolve(runDirectory);
    return this.#runs.find(({ tracker }) => tracker.folder.directory === directory);
  }

  #require(runDirectory: string): QueuedRun {
    const run = this.#find(runDirectory);
    if (run !== undefined) return run;
    throw new DcnetError({
      code: 'usage',
      message: 'This run is neither queued nor under way.',
      remedy: 'A stopped run can be resumed.',
      file: runDirectory,
    });
  }
}

/**
 * In how many parts a run that goes on computes each batch: as before, or halved.
 * @throws DcnetError `usage` where there is one image at a time already
 */
function partsOf(state: RunState | undefined, { halve = false }: ResumeOptions): number {
  const batch = state?.batch;
  if (batch === undefined) return 1;
  const tooLarge = state?.error?.code === 'memory' || (state && endedWithoutWord(state, isProcessAlive));
  if (!halve || !tooLarge) return batch.parts;
  const halved = halvedBatch(batch);
  if (halved !== undefined) return halved.parts;
  throw new DcnetError({
    code: 'usage',
    message: 'A batch cannot be halved any more: it is computed one image at a time.',
    remedy: 'Use a network with fewer filters or smaller images, or a backend with more memory.',
  });
}
