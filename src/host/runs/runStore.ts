import path from 'node:path';
import * as vscode from 'vscode';
import { isOver, type MetricsRecord, type RunState, runFiles } from '../../core/run/run.js';
import { isAlive } from '../engine/presence.js';
import { Debounce, Owner } from '../lifecycle.js';
import { MetricsLog } from './metricsLog.js';
import { listRunFolders, type RunSnapshot, readRunFolder } from './runFolder.js';
import { workspaceRunsDirectories } from './runsDirectories.js';

/** Changes on disk are gathered for so long before they are read. */
const gatherMs = 250;
/** How often the process of a run that another program trains is looked for. */
const livenessMs = 5_000;

/** All runs, newest first, and which of them are new, different or gone. */
export interface RunsChange {
  readonly runs: readonly RunSnapshot[];
  readonly changed: ReadonlySet<string>;
}

/** A run that our engine has in hand. */
export interface OwnedRun {
  /** Absolute path. */
  readonly directory: string;
  readonly state: RunState;
}

/**
 * The runs of the workspace, whoever trains them: read from their folders, kept up to date by watching these and by
 * what the engine tells. Nothing is read before the first call.
 */
export class RunStore extends Owner {
  readonly #changed = this._register(new vscode.EventEmitter<RunsChange>());
  readonly onDidChange = this.#changed.event;

  readonly #runs = new Map<string, RunSnapshot>();
  /** Runs that our engine has in hand, with the newest it said of them. */
  readonly #owned = new Map<string, RunState>();
  readonly #metrics = new Map<string, MetricsLog>();
  readonly #watchers = new Map<string, vscode.Disposable>();
  /** Runs directories of configs outside the workspace. */
  readonly #visited = new Set<string>();
  /** Runs whose folder changed since it was read; `metrics`: nothing but the log grew. */
  readonly #dirty = new Map<string, 'metrics' | 'folder'>();
  #reading = false;
  readonly #gather = this._register(new Debounce(gatherMs, () => this.#readDirty(), 'throttle'));
  #loaded: Promise<void> | undefined;
  #liveness: NodeJS.Timeout | undefined;

  constructor(private readonly log: vscode.LogOutputChannel) {
    super();
    this._register(vscode.workspace.onDidChangeWorkspaceFolders(() => this.#reload()));
    this._register(
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('dcnet.runsDirectory')) this.#reload();
      }),
    );
  }

  /** Every run, newest first. */
  async list(): Promise<readonly RunSnapshot[]> {
    await this.#load();
    await this.#catchUp();
    return this.#sorted();
  }

  /** The runs known so far, newest first, without reading anything. */
  get known(): readonly RunSnapshot[] {
    return this.#sorted();
  }

  /** One run; undefined for a folder that is no run. */
  async get(directory: string): Promise<RunSnapshot | undefined> {
    await this.#load();
    await this.#catchUp();
    if (!this.#runs.has(directory)) await this.#read([directory]);
    return this.#runs.get(directory);
  }

  metrics(directory: string): Promise<readonly MetricsRecord[]> {
    let log = this.#metrics.get(directory);
    if (log === undefined) {
      log = new MetricsLog(path.join(directory, runFiles.metrics));
      this.#metrics.set(directory, log);
    }
    return log.read();
  }

  /** Whether our engine has the run in hand, so that it can be paused and stopped from here. */
  isOwned(directory: string): boolean {
    return this.#owned.has(directory);
  }

  /** What the engine says of a run. */
  engineSays(directory: string, state: RunState): void {
    if (isOver(state.status)) this.#owned.delete(directory);
    else this.#owned.set(directory, state);
    const run = this.#runs.get(directory);
    if (run === undefined || isOver(state.status)) this.#touch(directory);
    if (run !== undefined) {
      this.#runs.set(directory, { ...run, state: { ...state, name: run.name } });
      this.#fire([directory]);
    }
  }

  /** The engine is gone: the runs it had in hand, with the newest it said of them; now they are as their folders say. */
  engineGone(): readonly OwnedRun[] {
    const runs = [...this.#owned].map(([directory, state]) => ({ directory, state }));
    this.#owned.clear();
    for (const { directory } of runs) this.#touch(directory);
    return runs;
  }

  /** Read everything again. */
  async refresh(): Promise<void> {
    const before = [...this.#runs.keys()];
    this.#loaded = this.#readAll();
    await this.#loaded;
    this.#fire([...before, ...this.#runs.keys()]);
  }

  override dispose(): void {
    super.dispose();
    clearTimeout(this.#liveness);
    for (const watcher of this.#watchers.values()) watcher.dispose();
  }

  #load(): Promise<void> {
    this.#loaded ??= this.#readAll();
    return this.#loaded;
  }

  #reload(): void {
    if (this.#loaded === undefined) return;
    this.refresh().catch((thrown: unknown) => this.#failed(thrown));
  }

  async #readAll(): Promise<void> {
    const directories = new Set([...workspaceRunsDirectories(), ...this.#visited]);
    this.#watch(directories);
    const folders = (await Promise.all([...directories].map(listRunFolders))).flat();
    for (const known of this.#runs.keys()) if (!folders.includes(known)) this.#runs.delete(known);
    await this.#read(folders);
  }

  async #read(directories: readonly string[]): Promise<void> {
    await Promise.all(
      directories.map(async (directory) => {
        const run = await readRunFolder(directory, this.#runs.get(directory));
        if (run === undefined) {
          this.#runs.delete(directory);
          this.#metrics.delete(directory);
          return;
        }
        const owned = this.#owned.get(directory);
        this.#runs.set(
          directory,
          owned === undefined ? run : { ...run, state: { ...owned, name: run.name } },
        );
      }),
    );
    this.#checkLiveness();
  }

  #touch(directory: string, what: 'metrics' | 'folder' = 'folder'): void {
    const parent = path.dirname(directory);
    if (!this.#watchers.has(parent)) {
      this.#visited.add(parent);
      this.#watch(new Set([...this.#watchers.keys(), parent]));
    }
    if (this.#dirty.get(directory) !== 'folder') this.#dirty.set(directory, what);
    this.#gather.schedule();
  }

  /** One reading at a time: a slow disk is not asked again before it has answered. */
  #readDirty(): void {
    if (this.#reading) {
      this.#gather.schedule();
      return;
    }
    const changed = [...this.#dirty];
    this.#dirty.clear();
    this.#reading = true;
    this.#read(changed.filter(([, what]) => what === 'folder').map(([directory]) => directory))
      .then(() => this.#fire(changed.map(([directory]) => directory)))
      .catch((thrown: unknown) => this.#failed(thrown))
      .finally(() => {
        this.#reading = false;
      });
  }

  /** Read what is known to have changed: who asks is not told what was before. Those who follow hear of it later. */
  async #catchUp(): Promise<void> {
    const changed = [...this.#dirty].filter(([, what]) => what === 'folder');
    if (changed.length > 0) await this.#read(changed.map(([directory]) => directory));
  }

  #watch(directories: ReadonlySet<string>): void {
    for (const [directory, watcher] of this.#watchers) {
      if (directories.has(directory)) continue;
      watcher.dispose();
      this.#watchers.delete(directory);
    }
    for (const directory of directories) {
      if (!this.#watchers.has(directory)) this.#watchers.set(directory, this.#watchOne(directory));
    }
  }

  #watchOne(directory: string): vscode.Disposable {
    const pattern = new vscode.RelativePattern(vscode.Uri.file(directory), '**');
    const watcher = vscode.workspace.createFileSystemWatcher(pattern);
    const happened = ({ fsPath }: vscode.Uri): void => {
      const [folder, file] = path.relative(directory, fsPath).split(path.sep);
      if (folder === undefined || folder === '..') return;
      if (folder === '') this.#reload();
      else this.#touch(path.join(directory, folder), file === runFiles.metrics ? 'metrics' : 'folder');
    };
    watcher.onDidCreate(happened);
    watcher.onDidChange(happened);
    watcher.onDidDelete(happened);
    return watcher;
  }

  /** A run trained elsewhere (the command line) may die without a word in its folder: its process is looked for. */
  #checkLiveness(): void {
    clearTimeout(this.#liveness);
    const foreign = [...this.#runs.values()].filter(
      ({ directory, state }) => !isOver(state.status) && !this.#owned.has(directory),
    );
    if (foreign.length === 0 || this.isDisposed) return;
    this.#liveness = setTimeout(() => {
      const gone = foreign.filter(({ state }) => state.pid === undefined || !isAlive(state.pid));
      for (const { directory } of gone) this.#touch(directory);
      if (gone.length === 0) this.#checkLiveness();
    }, livenessMs);
  }

  #sorted(): readonly RunSnapshot[] {
    return [...this.#runs.values()].sort((a, b) => b.startedMs - a.startedMs || b.name.localeCompare(a.name));
  }

  #fire(directories: readonly string[]): void {
    if (!this.isDisposed) this.#changed.fire({ runs: this.#sorted(), changed: new Set(directories) });
  }

  #failed(thrown: unknown): void {
    this.log.error('The runs could not be read', thrown instanceof Error ? thrown : String(thrown));
  }
}
