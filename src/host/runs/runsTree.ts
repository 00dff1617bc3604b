import * as vscode from 'vscode';
import { Debounce, Owner } from '../lifecycle.js';
import { describeRun, percent, runActions, statusIcons } from './describe.js';
import type { CheckpointFile, RunSnapshot } from './runFolder.js';
import type { RunStore, RunsChange } from './runStore.js';

/** Rows are drawn anew at most so often while a run is under way. */
const redrawMs = 400;

interface RunRow {
  readonly runDirectory: string;
}
interface CheckpointRow {
  readonly runDirectory: string;
  readonly checkpoint: string;
  readonly file: CheckpointFile;
  readonly epoch: number | undefined;
  readonly accuracy: number | undefined;
}
type Row = RunRow | CheckpointRow;

/** Runs, newest first, and under each its checkpoints. The store is made when the view is first seen. */
export class RunsTree extends Owner implements vscode.TreeDataProvider<Row> {
  readonly #changed = this._register(new vscode.EventEmitter<Row[] | undefined>());
  readonly onDidChangeTreeData = this.#changed.event;
  readonly #view = this._register(
    vscode.window.createTreeView('dcnet.runs', {
      treeDataProvider: this,
      showCollapseAll: true,
      canSelectMany: true,
    }),
  );
  readonly #rows = new Map<string, RunRow>();
  readonly #waiting = new Set<string>();
  readonly #redraw = this._register(new Debounce(redrawMs, () => this.#draw(), 'throttle'));
  #store: RunStore | undefined;
  #order = '';

  constructor(private readonly openStore: () => Promise<RunStore>) {
    super();
  }

  get selected(): Row | undefined {
    return this.#view.selection[0];
  }

  async getChildren(row?: Row): Promise<Row[]> {
    const store = await this.#open();
    if (row === undefined) {
      const runs = await store.list();
      this.#order = orderOf(runs);
      this.#showBadge(runs);
      return runs.map(({ directory }) => this.#row(directory));
    }
    if ('checkpoint' in row) return [];
    const run = await store.get(row.runDirectory);
    return run === undefined ? [] : checkpointRows(store, run);
  }

  getTreeItem(row: Row): vscode.TreeItem {
    if ('checkpoint' in row) return checkpointItem(row);
    const run = this.#store?.known.find(({ directory }) => directory === row.runDirectory);
    if (run === undefined) return new vscode.TreeItem(row.runDirectory);
    return runItem(run, this.#store?.isOwned(row.runDirectory) ?? false);
  }

  async #open(): Promise<RunStore> {
    if (this.#store !== undefined) return this.#store;
    const store = await this.openStore();
    if (this.#store === undefined) {
      this.#store = store;
      this._register(store.onDidChange((change) => this.#changedRuns(change)));
    }
    return this.#store;
  }

  #row(directory: string): RunRow {
    const row = this.#rows.get(directory) ?? { runDirectory: directory };
    this.#rows.set(directory, row);
    return row;
  }

  #changedRuns({ changed }: RunsChange): void {
    for (const directory of changed) this.#waiting.add(directory);
    this.#redraw.schedule();
  }

  #draw(): void {
    const runs = this.#store?.known ?? [];
    const changed = [...this.#waiting].map((directory) => this.#rows.get(directory));
    this.#waiting.clear();
    this.#showBadge(runs);
    const structural = orderOf(runs) !== this.#order || changed.includes(undefined);
    this.#changed.fire(structural ? undefined : changed.filter((row) => row !== undefined));
  }

  #showBadge(runs: readonly RunSnapshot[]): void {
    const underWay = runs.filter(
      ({ state }) => state.status === 'running' || state.status === 'preparing',
    ).length;
    this.#view.badge = underWay === 0 ? undefined : { value: underWay, tooltip: `${underWay} training` };
  }
}

function orderOf(runs: readonly RunSnapshot[]): string {
  return runs.map(({ directory }) => directory).join('\n');
}

function runItem(run: RunSnapshot, owned: boolean): vscode.TreeItem {
  const { directory, name, state, checkpoints } = run;
  const item = new vscode.TreeItem(
    name,
    checkpoints.length > 0 ? vscode.TreeItemCollapsibleState.Collapsed : vscode.TreeItemCollapsibleState.None,
  );
  const { id, color } = statusIcons[state.status];
  item.id = directory;
  item.description = describeRun(run);
  item.iconPath = new vscode.ThemeIcon(id, color === undefined ? undefined : new vscode.ThemeColor(color));
  item.contextValue = ['run', ...runActions(run, owned)].join(' ');
  item.tooltip = runTooltip(run);
  item.accessibilityInformation = { label: `${name}, ${state.status}, ${describeRun(run)}` };
  item.command = {
    command: 'dcnet.openTrainingPanel',
    title: 'Open Training Panel',
    arguments: [{ runDirectory: directory }],
  };
  return item;
}

function runTooltip({ name, state, environment, summary, directory }: RunSnapshot): vscode.MarkdownString {
  const rows: [string, string | undefined][] = [
    ['Status', state.status],
    ['Step', `${state.step} of ${state.totalSteps}`],
    ['Test accuracy, last epoch', state.testAccuracy === undefined ? undefined : percent(state.testAccuracy)],
    [
      'Test accuracy, best',
      state.bestTestAccuracy === undefined ? undefined : percent(state.bestTestAccuracy),
    ],
    ['Images a second', summary && `${Math.round(summary.imagesPerSecond)}`],
    ['Backend', environment && `${environment.backend} (${environment.device})`],
    ['Data', environment?.data.name],
    ['Seed', environment && `${environment.seed}`],
    ['Started', environment && new Date(environment.startedAt).toLocaleString()],
    ['Error', state.error?.message],
  ];
  const text = new vscode.MarkdownString('', false);
  text.appendMarkdown('**').appendText(name).appendMarkdown('**\n\n');
  for (const [label, value] of rows) {
    if (value !== undefined) text.appendMarkdown(`${label}: `).appendText(value).appendMarkdown('  \n');
  }
  return text.appendText(directory);
}

async function checkpointRows(store: RunStore, run: RunSnapshot): Promise<CheckpointRow[]> {
  const records = await store.metrics(run.directory);
  const epochs = new Map(
    records
      .filter((record) => record.type === 'epoch')
      .map((record) => [
        record.checkpoint.replace(/^.*[\\/]/, '').replace(/\.dcnet\.safetensors$/, ''),
        record,
      ]),
  );
  const best = records
    .filter((record) => record.type === 'epoch')
    .reduce<{ epoch: number; testAccuracy: number } | undefined>(
      (a, b) => (a === undefined || b.testAccuracy > a.testAccuracy ? b : a),
      undefined,
    );
  const rows = run.checkpoints.map((file) => {
    const record = file.name === 'best' ? best : epochs.get(file.name);
    return {
      runDirectory: run.directory,
      checkpoint: file.file,
      file,
      epoch: record?.epoch,
      accuracy: record?.testAccuracy,
    };
  });
  return rows.sort((a, b) => rank(b) - rank(a) || b.file.modifiedMs - a.file.modifiedMs);
}

/** The best stands first, then the newest. */
function rank({ file }: CheckpointRow): number {
  return file.name === 'best' ? 1 : 0;
}

function checkpointItem({ file, epoch, accuracy, runDirectory, checkpoint }: CheckpointRow): vscode.TreeItem {
  const item = new vscode.TreeItem(file.name);
  const parts = [
    ...(accuracy === undefined ? [] : [percent(accuracy)]),
    ...(epoch === undefined ? [] : [`epoch ${epoch}`]),
  ];
  item.id = checkpoint;
  item.description = parts.join(' · ');
  item.iconPath = new vscode.ThemeIcon(file.name === 'best' ? 'star-full' : 'save');
  item.contextValue = 'checkpoint inspect edit';
  item.tooltip = `${checkpoint}\n${new Date(file.modifiedMs).toLocaleString()}`;
  item.accessibilityInformation = { label: ['checkpoint', file.name, ...parts].join(', ') };
  item.command = {
    command: 'dcnet.inspectLayers',
    title: 'Inspect Layers',
    arguments: [{ runDirectory, checkpoint }],
  };
  return item;
}
