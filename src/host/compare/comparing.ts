import * as vscode from 'vscode';
import { DcnetError } from '../../core/errors.js';
import type { ComparedFile } from '../../protocol/engine.js';
import { Owner } from '../lifecycle.js';
import { pickCheckpoint } from '../runs/pickCheckpoint.js';
import type { RunStore } from '../runs/runStore.js';
import { CommittedVersions } from './committed.js';
import { checkpointOf, labelOf, uriOf } from './selection.js';

/** Two checkpoints. */
export interface ComparedPair {
  readonly a: ComparedFile;
  readonly b: ComparedFile;
}

/** The commands that choose what is compared. */
export class Comparing extends Owner {
  readonly #committed = this._register(new CommittedVersions());
  #selected: ComparedFile | undefined;

  constructor(
    private readonly runs: RunStore,
    private readonly open: (pair: ComparedPair) => Promise<unknown>,
    log: vscode.LogOutputChannel,
  ) {
    super();
    this.#committed.watch().catch((thrown: unknown) => log.warn(`Git: ${String(thrown)}`));
  }

  /** Remember a checkpoint as A. */
  async select(argument: unknown): Promise<void> {
    const file = await this.#required(argument, 'Select for DCNet Compare');
    if (file === undefined) return;
    this.#selected = { file };
    await vscode.commands.executeCommand('setContext', 'dcnet.compareSelected', true);
    vscode.window.setStatusBarMessage(`$(diff) A is ${labelOf(this.#selected)}: choose B to compare`, 6_000);
  }

  /** Compare the remembered one with this. */
  async withSelected(argument: unknown): Promise<void> {
    const a = this.#selected;
    if (a === undefined) return this.pick(argument);
    const file = await this.#required(argument, 'Compare with Selected', a.file);
    if (file !== undefined) await this.open({ a, b: { file } });
  }

  /** Compare the two that are selected together. */
  async both(argument: unknown, selection: unknown): Promise<void> {
    const chosen = Array.isArray(selection) ? selection : [argument];
    const files = (await Promise.all(chosen.map((one) => checkpointOf(one, this.runs)))).filter(
      (file) => file !== undefined,
    );
    const [a, b] = files;
    if (files.length !== 2 || a === undefined || b === undefined)
      throw new DcnetError({
        code: 'usage',
        message: `Two checkpoints can be compared, but ${files.length} are selected.`,
        remedy: 'Select two checkpoints (*.safetensors) or runs that have one.',
      });
    await this.open({ a: { file: a }, b: { file: b } });
  }

  /** Ask for both, or for the other one. */
  async pick(argument?: unknown): Promise<void> {
    const title = 'Compare Checkpoints';
    const given = await checkpointOf(argument, this.runs);
    const a = given ?? (await pickCheckpoint(this.runs, title, 'A: the older one, or the one to start from'));
    if (a === undefined) return;
    const b = await pickCheckpoint(this.runs, title, `B: what ${labelOf({ file: a })} is compared with`, a);
    if (b !== undefined) await this.open({ a: { file: a }, b: { file: b } });
  }

  /** Compare a checkpoint's committed version with the one in the folder. */
  async withCommitted(argument: unknown): Promise<void> {
    const uri = uriOf(argument);
    const file = await this.#required(uri, 'Compare with Committed Version');
    if (file !== undefined) await this.open({ a: await this.#committed.write(file), b: { file } });
  }

  /** Compare what an earlier window compared. @param committed which of the two was the file's committed version */
  async again(first: string, second: string, committed?: 'first' | 'second'): Promise<void> {
    const version = async (file: string, isCommitted: boolean): Promise<ComparedFile> =>
      isCommitted ? this.#committed.write(file) : { file };
    await this.open({
      a: await version(first, committed === 'first'),
      b: await version(second, committed === 'second'),
    });
  }

  /** What is shown now: copies that are not among it are removed. */
  async shown(pair: ComparedPair | undefined): Promise<void> {
    await this.#committed.release(pair === undefined ? [] : [pair.a, pair.b]);
  }

  async #required(argument: unknown, title: string, except?: string): Promise<string | undefined> {
    const file = await checkpointOf(argument, this.runs);
    if (file !== undefined) return file;
    if (argument === undefined || argument === null)
      return pickCheckpoint(this.runs, title, 'Which checkpoint?', except);
    throw new DcnetError({
      code: 'usage',
      message: 'This is no checkpoint, and no run that has one.',
      remedy: 'Choose a file *.safetensors, or a run after its first epoch.',
    });
  }
}
