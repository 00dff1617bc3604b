import { existsSync } from 'node:fs';
import * as vscode from 'vscode';
import { explainedLanguages, operatorNamePattern } from './host/code/operatorNames.js';
import { commandIds } from './host/commandIds.js';
import { isConfig } from './host/config/isConfig.js';
import { runtimeFile, trainingFiles } from './host/engine/engineFiles.js';
import type { Host } from './host/host.js';
import { RunsTree } from './host/runs/runsTree.js';
import { openNewSample } from './host/sample.js';
import { panelNames } from './protocol/panels/names.js';

/** What other extensions (and the tests) can ask. */
export interface ExtensionApi {
  /** How long `activate` took. */
  readonly activationMs: number;
  /** Processor time of the extension host meanwhile, which a busy machine hardly lengthens. */
  readonly activationCpuMs: number;
}

/**
 * Registers what VS Code must know at once. All the rest is loaded when it is first needed: a command, the view, an
 * open config, a panel to restore, or an engine that is still training.
 */
export function activate(context: vscode.ExtensionContext): ExtensionApi {
  const started = performance.now();
  const usedBefore = process.cpuUsage();
  const log = vscode.window.createOutputChannel('DCNet', { log: true });
  let loading: Promise<Host> | undefined;
  const load = (): Promise<Host> => {
    loading ??= import('./host/host.js').then(({ Host }) => {
      const host = new Host(context, log, () => tree.selected);
      context.subscriptions.push(host);
      return host;
    });
    return loading;
  };
  const tree = new RunsTree(async () => (await load()).runs);
  const inBackground = (work: Promise<unknown>): void => {
    work.catch((thrown: unknown) => log.error(thrown instanceof Error ? thrown : String(thrown)));
  };
  context.subscriptions.push(
    log,
    tree,
    ...commandIds.map((id) =>
      vscode.commands.registerCommand(id, async (argument: unknown, selection: unknown) => {
        const [host, { execute }] = await Promise.all([load(), import('./host/commands.js')]);
        return execute(host, id, argument, selection);
      }),
    ),
    ...panelNames.map((name) =>
      vscode.window.registerWebviewPanelSerializer(`dcnet.${name}`, {
        deserializeWebviewPanel: async (panel, state) => (await load()).panels.restore(name, panel, state),
      }),
    ),
    vscode.languages.registerHoverProvider(explainedLanguages, {
      provideHover: async (document, position) => {
        const range = document.getWordRangeAtPosition(position, operatorNamePattern);
        if (range === undefined) return undefined;
        const { hoverOnName } = await import('./host/code/operatorHover.js');
        return new vscode.Hover(hoverOnName(document.getText(range)), range);
      },
    }),
    ...['dcnet.tensors', 'dcnet.anyTensors'].map((viewType) =>
      vscode.window.registerCustomEditorProvider(viewType, {
        openCustomDocument: (uri) => ({ uri, dispose: () => undefined }),
        resolveCustomEditor: async ({ uri }, panel) => {
          const { resolveTensorEditor } = await import('./host/tensors/tensorEditor.js');
          await load(); // the configs inside checkpoints, and the commands that know more of them
          return resolveTensorEditor(uri, panel, context.extensionUri);
        },
      }),
    ),
    vscode.workspace.onDidOpenTextDocument(({ uri }) => {
      if (isConfig(uri)) inBackground(load());
    }),
  );
  const left = existsSync(trainingFiles(context).presenceFile);
  const isRuntimeKnown = existsSync(runtimeFile(context)); // the status bar shows it
  const needed = left || isRuntimeKnown || vscode.workspace.textDocuments.some(({ uri }) => isConfig(uri));
  if (needed)
    setImmediate(() => inBackground(load().then((host) => (left ? host.attachToEngine() : undefined))));
  inBackground(openNewSample(context));
  if (vscode.workspace.getConfiguration('dcnet').get<boolean>('openNewestRun'))
    inBackground(import('./host/openNewestRun.js').then(({ openNewestRun }) => openNewestRun()));
  const { user, system } = process.cpuUsage(usedBefore); // microseconds
  return { activationMs: performance.now() - started, activationCpuMs: (user + system) / 1000 };
}
