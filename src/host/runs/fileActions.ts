import { rename, stat } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { DcnetError } from '../../core/errors.js';
import { runNameProblem } from '../../core/run/names.js';
import { checkpointExtension, isOver, runFiles } from '../../core/run/run.js';
import { targetOf } from './pickRun.js';
import type { RunStore } from './runStore.js';
import { configFileOf } from './runsOfConfig.js';

/** What a command on a row works on: a run's folder or a checkpoint's file. */
interface Place {
  readonly path: string;
  readonly runDirectory: string;
  readonly kind: 'run' | 'checkpoint';
  /** Without the checkpoint's ending. */
  readonly name: string;
}

/** Rename, delete and reveal runs and checkpoints. */
export class FileActions {
  constructor(
    private readonly runs: RunStore,
    /** A run's folder has another name, or is gone. */
    private readonly onMoved: (from: string, to: string | undefined) => Promise<void>,
  ) {}

  async rename(argument: unknown): Promise<void> {
    const place = await this.#place(argument);
    if (place === undefined) return;
    await this.#requireOver(place);
    const siblings = path.dirname(place.path);
    const ending = place.kind === 'run' ? '' : checkpointExtension;
    const name = await vscode.window.showInputBox({
      title: `Rename ${place.name}`,
      value: place.name,
      prompt: place.kind === 'run' ? 'The run’s new name' : 'The checkpoint’s new name',
      validateInput: async (value) =>
        value === place.name
          ? undefined
          : (runNameProblem(value) ??
            ((await exists(path.join(siblings, value + ending))) ? `${value} exists already.` : undefined)),
    });
    if (name === undefined || name === place.name) return;
    const to = path.join(siblings, name + ending);
    await moveFile(place.path, to);
    await this.runs.refresh();
    if (place.kind === 'run') await this.onMoved(place.path, to);
  }

  async delete(argument: unknown): Promise<void> {
    const place = await this.#place(argument);
    if (place === undefined) return;
    await this.#requireOver(place);
    const what =
      place.kind === 'run' ? `the run ${place.name} with its checkpoints` : `the checkpoint ${place.name}`;
    const toTrash = 'Move to Trash';
    const answer = await vscode.window.showWarningMessage(
      `Delete ${what}?`,
      { modal: true, detail: place.path },
      toTrash,
    );
    if (answer !== toTrash) return;
    const uri = vscode.Uri.file(place.path);
    try {
      await vscode.workspace.fs.delete(uri, { recursive: true, useTrash: true });
    } catch (thrown) {
      // Remote machines and some file systems have no trash.
      const forGood = 'Delete Permanently';
      const detail = thrown instanceof Error ? thrown.message : String(thrown);
      const again = await vscode.window.showWarningMessage(
        `There is no trash for ${place.path}. Delete ${what} permanently?`,
        { modal: true, detail },
        forGood,
      );
      if (again !== forGood) return;
      await vscode.workspace.fs.delete(uri, { recursive: true, useTrash: false });
    }
    await this.runs.refresh();
    if (place.kind === 'run') await this.onMoved(place.path, undefined);
  }

  async reveal(argument: unknown): Promise<void> {
    const place = await this.#place(argument);
    if (place === undefined) return;
    const uri = vscode.Uri.file(place.path);
    const inWorkspace = vscode.workspace.getWorkspaceFolder(uri) !== undefined;
    await vscode.commands.executeCommand(inWorkspace ? 'revealInExplorer' : 'revealFileInOS', uri);
  }

  /** Open the config a run was trained from; where that is gone, the run's own copy. */
  async openConfig(argument: unknown): Promise<void> {
    const place = await this.#place(argument);
    if (place === undefined) return;
    await vscode.window.showTextDocument(await this.configOf(place.runDirectory));
  }

  async configOf(runDirectory: string): Promise<vscode.Uri> {
    const run = await this.runs.get(runDirectory);
    const original = run && configFileOf(run);
    const file =
      original !== undefined && (await exists(original))
        ? original
        : path.join(runDirectory, runFiles.config);
    return vscode.Uri.file(file);
  }

  async #place(argument: unknown): Promise<Place | undefined> {
    const target = targetOf(argument);
    if (target === undefined) return undefined;
    const { runDirectory, checkpoint } = target;
    if (checkpoint === undefined)
      return { path: runDirectory, runDirectory, kind: 'run', name: path.basename(runDirectory) };
    return {
      path: checkpoint,
      runDirectory,
      kind: 'checkpoint',
      name: path.basename(checkpoint, checkpointExtension),
    };
  }

  /** @throws DcnetError `usage` while the run is under way */
  async #requireOver({ runDirectory }: Place): Promise<void> {
    const run = await this.runs.get(runDirectory);
    if (run === undefined || isOver(run.state.status)) return;
    throw new DcnetError({
      code: 'usage',
      message: `${run.name} is ${run.state.status}: its files are in use.`,
      remedy: 'Stop it first.',
    });
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

async function moveFile(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (thrown) {
    throw new DcnetError(
      {
        code: 'io',
        message: `The name could not be changed: ${(thrown as Error).message}.`,
        remedy: 'Close what has the files open, check the permissions of the folder, and try again.',
        file: from,
      },
      { cause: thrown },
    );
  }
}
