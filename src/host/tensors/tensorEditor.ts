import path from 'node:path';
import * as vscode from 'vscode';
import { asDcnetError } from '../../core/errors.js';
import type { Handlers } from '../../protocol/channel.js';
import { type CheckpointAction, checkpointAction } from '../../protocol/panels/shared.js';
import {
  type TensorsView,
  tensorsHostContract,
  tensorsPanelContract,
} from '../../protocol/panels/tensors.js';
import { configUri } from '../compare/configDocuments.js';
import { Debounce, Owner } from '../lifecycle.js';
import { panelOptions, panelPage } from '../panels/panelPage.js';
import { saveFile } from '../panels/saveFile.js';
import { joinWebview } from '../panels/webviewChannel.js';
import { readPage, tensorStatistics } from './tensorPages.js';
import { type OpenedTensors, readTensorHeader } from './tensorReader.js';

/** A list of more would be no list, and its message too long. */
const mostTensors = 4_000;
/** Metadata may be of any length; more of a text than this nobody reads here. */
const longestText = 20_000;
/** A file that is being written is read again once it rests. */
const restMs = 300;
/** Told elsewhere, or only of use to programs. */
const hidden = new Set(['configText', 'config', 'network']);

/** Show a safetensors file in the editor that VS Code made for it. */
export async function resolveTensorEditor(
  uri: vscode.Uri,
  panel: vscode.WebviewPanel,
  extension: vscode.Uri,
): Promise<void> {
  const editor = new TensorEditor(uri, panel);
  panel.onDidDispose(() => editor.dispose());
  panel.webview.options = panelOptions(extension);
  panel.webview.html = panelPage(panel.webview, extension, 'tensors');
}

/** One safetensors file: its header at once, its tensors page by page. */
class TensorEditor extends Owner {
  #tensors: OpenedTensors | undefined;

  constructor(
    private readonly uri: vscode.Uri,
    panel: vscode.WebviewPanel,
  ) {
    super();
    const file = uri.fsPath;
    const remote = this._register(
      joinWebview(panel.webview, tensorsHostContract, this.#handlers(), tensorsPanelContract),
    );
    const changed = this._register(
      new Debounce(restMs, () => {
        this.#view().then(
          (view) => !this.isDisposed && remote.notify('show', view),
          () => undefined, // `#view` tells every failure itself
        );
      }),
    );
    const watcher = this._register(
      vscode.workspace.createFileSystemWatcher(
        new vscode.RelativePattern(vscode.Uri.file(path.dirname(file)), path.basename(file)),
      ),
    );
    watcher.onDidChange(() => changed.schedule());
    watcher.onDidCreate(() => changed.schedule());
    watcher.onDidDelete(() => changed.schedule());
  }

  #handlers(): Handlers<typeof tensorsHostContract> {
    const { uri } = this;
    return {
      ready: () => this.#view(),
      page: async (place) => ({ values: await readPage(await this.#opened(), place) }),
      statistics: async ({ tensor }, context) => tensorStatistics(await this.#opened(), tensor, context),
      act: async ({ action }) => {
        await vscode.commands.executeCommand(`dcnet.${action}`, uri);
        return {};
      },
      openConfig: async () => {
        await vscode.window.showTextDocument(configUri(uri.fsPath), {
          viewColumn: vscode.ViewColumn.Beside,
          preview: true,
        });
        return {};
      },
      saveFile: (file) => saveFile(path.dirname(uri.fsPath), file),
    };
  }

  async #opened(): Promise<OpenedTensors> {
    this.#tensors ??= await readTensorHeader(this.uri.fsPath);
    return this.#tensors;
  }

  async #view(): Promise<TensorsView> {
    this.#tensors = undefined;
    try {
      const { tensors, metadata, bytes, file } = await this.#opened();
      const listed = [...tensors].sort(([, x], [, y]) => x.begin - y.begin);
      return {
        status: 'full',
        file,
        bytes,
        tensors: listed.slice(0, mostTensors).map(([name, { dtype, shape, begin, end }]) => ({
          name,
          dtype,
          shape: [...shape],
          bytes: end - begin,
        })),
        unlisted: Math.max(0, listed.length - mostTensors),
        metadata: Object.entries(metadata)
          .filter(([name]) => metadata.format !== 'dcnet-checkpoint' || !hidden.has(name))
          .map(([name, value]) => ({ name, value: shortened(value) })),
        ...(metadata.configText === undefined ? {} : { configText: shortened(metadata.configText) }),
        actions: metadata.format === 'dcnet-checkpoint' ? await possibleActions() : [],
      };
    } catch (thrown) {
      return { status: 'error', error: asDcnetError(thrown).details };
    }
  }
}

function shortened(text: string): string {
  return text.length > longestText ? `${text.slice(0, longestText)}… (${text.length} characters)` : text;
}

async function possibleActions(): Promise<CheckpointAction[]> {
  const known = new Set(await vscode.commands.getCommands(true));
  return checkpointAction.options.filter((action) => known.has(`dcnet.${action}`));
}
