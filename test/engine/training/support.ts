import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { RunState, Summary } from '../../../src/core/run/run.js';
import { type Runtime, startBackend } from '../../../src/engine/backend/backend.js';
import { DataStore } from '../../../src/engine/data/dataStore.js';
import {
  type ResumeOptions,
  RunQueue,
  type RunQueueListener,
} from '../../../src/engine/training/runQueue.js';
import { testBackend } from '../backends.js';
import { type TinyData, temporaryFolder, writeTinyData } from '../data/tinyData.js';

export const mediaDirectory = path.resolve('media');

/** A network that trains in a moment on the tiny data. */
const tinyConfig = {
  data: { idx: 'data' },
  operator: { magnitude: 'tanh', angular: 'sigmoid', learnK: 'per-filter' },
  layers: [
    { type: 'conv', filters: 4 },
    {
      type: 'conv',
      filters: 6,
      stride: 2,
      operator: { magnitude: 'ball', angular: 'cosine', radius: 'fixed' },
    },
    { type: 'global-average-pool' },
    { type: 'dense', units: 4 },
  ],
  optimizer: { type: 'adam', learningRate: 0.01 },
  schedule: { type: 'cosine', warmupSteps: 3 },
  epochs: 3,
  batch: 16,
  averageDecay: 0.9,
  labelSmoothing: 0.05,
  weightDecay: 0.001,
  projection: { every: 5 },
};

/** A folder with data, a config and room for runs. */
export class TinyProject {
  private constructor(
    readonly directory: string,
    public runtime: Runtime,
    /** Shared by the runs; each queue has its own where there is none. */
    public dataStore: DataStore | undefined = undefined,
  ) {}

  /** Have so many threads compute what follows, on wasm. */
  async useThreads(threads: number): Promise<void> {
    this.runtime = await startBackend('wasm', 'fp32', threads);
  }

  static async create(
    backend: typeof testBackend | 'cpu' = testBackend,
    data: TinyData = {},
  ): Promise<TinyProject> {
    const directory = await temporaryFolder();
    await mkdir(path.join(directory, 'data'));
    await writeTinyData(path.join(directory, 'data'), data);
    return new TinyProject(directory, await startBackend(backend));
  }

  get runsDirectory(): string {
    return path.join(this.directory, 'runs');
  }

  request(changes: object = {}, name?: string) {
    return {
      configFile: path.join(this.directory, 'tiny.dcnet.json'),
      configText: JSON.stringify({ ...tinyConfig, ...changes }),
      runsDirectory: this.runsDirectory,
      name,
    };
  }

  /** Write a config's file. */
  async writeConfig(changes: object = {}): Promise<string> {
    const { configFile, configText } = this.request(changes);
    await writeFile(configFile, configText);
    return configFile;
  }

  queue(listener: Partial<RunQueueListener> = {}): RunQueue {
    return new RunQueue({
      runtime: this.runtime,
      mediaDirectory,
      dataStore: this.dataStore ?? new DataStore(),
      listener: {
        changed: () => {},
        finished: () => {},
        afterCompleted: async () => {},
        failed: (error) => {
          throw error;
        },
        ...listener,
      },
    });
  }

  /** Carry out one run, and do something at each change of its state. */
  async train(
    changes: object = {},
    {
      name,
      onChange,
    }: { name?: string; onChange?: (state: RunState, queue: RunQueue, run: string) => void } = {},
  ): Promise<{ readonly runDirectory: string; readonly summary: Summary }> {
    let summary: Summary | undefined;
    const queue = this.queue({
      changed: (runDirectory, state) => onChange?.(state, queue, runDirectory),
      finished: (_, finished) => {
        summary = finished;
      },
    });
    const { runDirectory } = await queue.start(this.request(changes, name));
    await queue.whenIdle();
    return { runDirectory, summary: summary! };
  }

  /** Go on with a run; to its end, or until so many steps are finished. */
  async resume(
    runDirectory: string,
    options: ResumeOptions = {},
    until = Number.POSITIVE_INFINITY,
  ): Promise<Summary> {
    let summary: Summary | undefined;
    const queue = this.queue({
      changed: (_, { status, step }) => {
        if (status === 'running' && step >= until) void queue.stop(runDirectory);
      },
      finished: (_, finished) => {
        summary = finished;
      },
    });
    await queue.resume(runDirectory, options);
    await queue.whenIdle();
    return summary!;
  }
}
