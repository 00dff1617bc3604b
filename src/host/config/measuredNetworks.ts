import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { inspectionFileName } from '../../core/run/names.js';
import { runFiles } from '../../core/run/run.js';
import type { Inspection } from '../../core/statistics/inspection.js';
import { Debounce, Owner } from '../lifecycle.js';
import { readStoredInspection } from '../panels/storedInspection.js';
import type { CheckpointFile, RunSnapshot } from '../runs/runFolder.js';
import type { RunStore } from '../runs/runStore.js';
import { runsOf } from '../runs/runsOfConfig.js';

/** Changes of runs are gathered for so long before it is asked whether something was measured. */
const gatherMs = 500;

/** What a stored inspection says of a config's network. */
export interface MeasuredNetwork {
  readonly inspection: Inspection;
  readonly runDirectory: string;
  /** Absolute path. */
  readonly checkpoint: string;
}

/**
 * What was last measured of the network of a config: the newest stored inspection of the newest run that has one.
 * Nothing is measured here, and a file is read again only when it is another.
 */
export class MeasuredNetworks extends Owner {
  readonly #changed = this._register(new vscode.EventEmitter<void>());
  /** Something else is known of a config that was asked for. */
  readonly onDidChange = this.#changed.event;
  readonly #read = new Map<
    string,
    { readonly version: string; readonly inspection: Inspection | undefined }
  >();
  /** By config: what was told of it. */
  readonly #told = new Map<string, string | undefined>();
  readonly #gather = this._register(new Debounce(gatherMs, () => void this.#look(), 'throttle'));

  constructor(private readonly runs: RunStore) {
    super();
    this._register(runs.onDidChange(() => this.#gather.schedule()));
    this._register(vscode.workspace.onDidCloseTextDocument(({ uri }) => this.#told.delete(uri.toString())));
  }

  async of(config: vscode.Uri): Promise<MeasuredNetwork | undefined> {
    const found = await this.#find(config);
    this.#told.set(config.toString(), identity(found));
    return found;
  }

  async #look(): Promise<void> {
    let differs = false;
    for (const [config, told] of [...this.#told]) {
      const found = await this.#find(vscode.Uri.parse(config));
      differs ||= identity(found) !== told;
    }
    if (differs && !this.isDisposed) this.#changed.fire();
  }

  async #find(config: vscode.Uri): Promise<MeasuredNetwork | undefined> {
    for (const run of runsOf(config, await this.runs.list())) {
      for (const checkpoint of await measuredCheckpoints(run)) {
        const inspection = await this.#inspection(run.directory, checkpoint);
        if (inspection !== undefined)
          return { inspection, runDirectory: run.directory, checkpoint: checkpoint.file };
      }
    }
    return undefined;
  }

  async #inspection(runDirectory: string, { file, name }: CheckpointFile): Promise<Inspection | undefined> {
    const stored = inspectionPath(runDirectory, name);
    const times = await Promise.all([stat(file), stat(stored)]).catch(() => undefined); // gone meanwhile
    if (times === undefined) return undefined;
    const version = times.map(({ mtimeMs, size }) => `${mtimeMs} ${size}`).join(' ');
    const known = this.#read.get(stored);
    if (known?.version === version) return known.inspection;
    const read = await readStoredInspection(runDirectory, file);
    const inspection = read?.fresh ? read.inspection : undefined;
    this.#read.set(stored, { version, inspection });
    return inspection;
  }
}

/** The checkpoints of a run that have a stored inspection, newest first; `best`, which is one of them, last. */
async function measuredCheckpoints({
  directory,
  checkpoints,
}: RunSnapshot): Promise<readonly CheckpointFile[]> {
  const stored = new Set(await readdir(path.join(directory, runFiles.inspections)).catch(() => []));
  const measured = checkpoints.filter(({ name }) => stored.has(inspectionFileName(name, 'test')));
  return measured.reverse().sort((a, b) => Number(a.name === 'best') - Number(b.name === 'best'));
}

function inspectionPath(runDirectory: string, checkpoint: string): string {
  return path.join(runDirectory, runFiles.inspections, inspectionFileName(checkpoint, 'test'));
}

function identity(measured: MeasuredNetwork | undefined): string | undefined {
  return measured && `${measured.checkpoint} ${measured.inspection.checkpointSha256}`;
}
