import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import { DcnetError } from '../../core/errors.js';
import type { ComparedFile } from '../../protocol/engine.js';
import { Owner } from '../lifecycle.js';
import { shortName } from './selection.js';

/** The part of Git's extension that is used (its `git.d.ts`, version 1). */
interface Repository {
  buffer(ref: string, path: string): Promise<Buffer>;
  readonly state: {
    readonly workingTreeChanges: readonly { readonly uri: vscode.Uri }[];
    readonly indexChanges: readonly { readonly uri: vscode.Uri }[];
    readonly onDidChange: vscode.Event<void>;
  };
}
interface Git {
  readonly repositories: readonly Repository[];
  readonly onDidOpenRepository: vscode.Event<Repository>;
  getRepository(uri: vscode.Uri): Repository | null;
  openRepository(root: vscode.Uri): Promise<Repository | null>;
}
interface GitExtension {
  readonly enabled: boolean;
  getAPI(version: 1): Git;
}

const pointer = 'version https://git-lfs';

/** Versions of checkpoints that Git keeps, as files for as long as they are needed. */
export class CommittedVersions extends Owner {
  readonly #folders = new Set<string>();
  #watching = false;

  /** Tells `when` clauses whether a checkpoint differs from its committed version. */
  async watch(): Promise<void> {
    const git = await findGit();
    if (git === undefined || this.#watching) return;
    this.#watching = true;
    const tell = (): void => {
      const changed = git.repositories.some(({ state }) =>
        [...state.workingTreeChanges, ...state.indexChanges].some(({ uri }) =>
          uri.path.endsWith('.safetensors'),
        ),
      );
      void vscode.commands.executeCommand('setContext', 'dcnet.checkpointChanged', changed);
    };
    const follow = (repository: Repository): void => {
      this._register(repository.state.onDidChange(tell));
      tell();
    };
    this._register(git.onDidOpenRepository(follow));
    for (const repository of git.repositories) follow(repository);
  }

  /**
   * The committed version of a file, written beside nothing: into a folder of its own, which `release` removes.
   * @throws DcnetError `usage` where there is no Git, no repository, no such version, or only a pointer to it
   */
  async write(file: string): Promise<ComparedFile> {
    const fail = (message: string, remedy: string, cause?: unknown): never => {
      throw new DcnetError({ code: 'usage', message, remedy, file }, { cause });
    };
    const git = await findGit();
    if (git === undefined)
      return fail(
        'VS Code’s Git extension is not there or turned off, so the committed version cannot be read.',
        'Enable the extension “Git” and the setting git.enabled, or compare two files.',
      );
    const repository =
      git.getRepository(vscode.Uri.file(file)) ??
      (await git.openRepository(vscode.Uri.file(path.dirname(file)))) ?? // also where Git is still looking around
      fail('The checkpoint is in no Git repository.', 'Open the repository’s folder first.');
    const bytes = await repository
      .buffer('HEAD', file)
      .catch((thrown: unknown) =>
        fail(
          'Git has no committed version of this checkpoint.',
          'Commit it first, or compare two files.',
          thrown,
        ),
      );
    if (bytes.subarray(0, pointer.length).toString() === pointer)
      return fail(
        'Git keeps only a pointer to this checkpoint (Git LFS), not its contents.',
        'Check the older version out into another folder, and compare the two files.',
      );
    const folder = await mkdtemp(path.join(tmpdir(), 'dcnet-committed-'));
    this.#folders.add(folder);
    const copy = path.join(folder, path.basename(file));
    await writeFile(copy, bytes);
    return { file: copy, standsFor: { file, name: `${shortName(file)} (HEAD)` } };
  }

  /** Remove the files that are not among those still shown. */
  async release(shown: readonly ComparedFile[]): Promise<void> {
    const needed = new Set(shown.map(({ file }) => path.dirname(file)));
    const gone = [...this.#folders].filter((folder) => !needed.has(folder));
    for (const folder of gone) {
      this.#folders.delete(folder);
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    }
  }

  override dispose(): void {
    super.dispose();
    void this.release([]);
  }
}

async function findGit(): Promise<Git | undefined> {
  const extension = vscode.extensions.getExtension<GitExtension>('vscode.git');
  if (extension === undefined) return undefined;
  const { enabled, getAPI } = await extension.activate().then(
    (api) => ({ enabled: api.enabled, getAPI: api.getAPI.bind(api) }),
    () => ({ enabled: false, getAPI: undefined }),
  );
  return enabled ? getAPI?.(1) : undefined;
}
