import { existsSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { type PanelName, panelStateSchema } from '../../protocol/panels.js';
import { findConfigs } from '../config/configFiles.js';
import { Owner } from '../lifecycle.js';
import type { RunStore } from '../runs/runStore.js';
import { LayerPanel, type LayerPanelServices, type LayerTarget, layerTarget } from './layerPanel.js';
import { panelOptions, panelPage } from './panelPage.js';
import { TrainingPanel, type TrainingPanelActions } from './trainingPanel.js';

/** Opens panels beside the config, uses again those that are open, and restores those of an earlier window. */
export class Panels extends Owner {
  readonly #training = new Map<string, TrainingPanel>();
  #layer: LayerPanel | undefined;

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly log: vscode.LogOutputChannel,
    private readonly runs: RunStore,
    private readonly trainingActions: TrainingPanelActions,
    private readonly layerServices: LayerPanelServices,
  ) {
    super();
  }

  async openTraining(runDirectory: string): Promise<void> {
    const open = this.#training.get(runDirectory);
    if (open === undefined) this.#adoptTraining(this.#create('training', 'Training'), runDirectory);
    else open.panel.reveal(undefined, true);
  }

  async openLayers(target: LayerTarget | undefined): Promise<void> {
    if (this.#layer === undefined) this.#layer = this.#adoptLayer(this.#create('layer', 'Layers'));
    else this.#layer.panel.reveal(undefined, true);
    if (target === undefined) {
      this.#layer.openEmpty((await findConfigs()).length > 0 ? 'train' : 'createSample');
      return;
    }
    await this.#layer.open(target);
  }

  /** A run's folder has another name (its panels go along) or is gone (they close). */
  async runMoved(from: string, to: string | undefined): Promise<void> {
    const training = this.#training.get(from);
    training?.panel.dispose();
    if (training !== undefined && to !== undefined) await this.openTraining(to);
    const target = this.#layer?.target;
    if (target?.runDirectory !== from) return;
    if (to === undefined) this.#layer?.panel.dispose();
    else
      await this.#layer?.open({
        runDirectory: to,
        checkpoint: path.join(to, path.relative(from, target.checkpoint)),
      });
  }

  restoreTraining(panel: vscode.WebviewPanel, state: unknown): void {
    const runDirectory = panelStateSchema.safeParse(state).data?.runDirectory;
    if (runDirectory === undefined || this.#training.has(runDirectory)) panel.dispose();
    else this.#adoptTraining(panel, runDirectory);
  }

  async restoreLayer(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    if (this.#layer !== undefined) {
      panel.dispose();
      return;
    }
    const { pinned, selectedLayer, checkpoint } = panelStateSchema.safeParse(state).data ?? {};
    this.#layer = this.#adoptLayer(panel, pinned, selectedLayer);
    const isThere = checkpoint !== undefined && existsSync(checkpoint);
    await this.openLayers(isThere ? layerTarget(checkpoint) : undefined);
  }

  override dispose(): void {
    super.dispose();
    for (const panel of this.#training.values()) panel.dispose();
    this.#layer?.dispose();
  }

  #create(name: PanelName, title: string): vscode.WebviewPanel {
    const options = panelOptions(this.context.extensionUri);
    const place = { viewColumn: this.#column(), preserveFocus: true };
    return vscode.window.createWebviewPanel(`dcnet.${name}`, title, place, options);
  }

  /** Our panels stand together, beside the config. */
  #column(): vscode.ViewColumn {
    const panels = [...this.#training.values(), ...(this.#layer === undefined ? [] : [this.#layer])];
    return (
      panels.map(({ panel }) => panel.viewColumn).find((column) => column !== undefined) ??
      vscode.ViewColumn.Beside
    );
  }

  #adoptTraining(panel: vscode.WebviewPanel, runDirectory: string): void {
    const training = new TrainingPanel(runDirectory, panel, this.runs, this.trainingActions, this.log);
    this.#training.set(runDirectory, training);
    panel.onDidDispose(() => {
      this.#training.delete(runDirectory);
      training.dispose();
    });
    this.#load(panel, 'training');
  }

  #adoptLayer(panel: vscode.WebviewPanel, pinned?: boolean, selected?: string): LayerPanel {
    const layer = new LayerPanel(panel, this.layerServices, pinned, selected);
    panel.onDidDispose(() => {
      this.#layer = undefined;
      layer.dispose();
    });
    this.#load(panel, 'layer');
    return layer;
  }

  /** The document is loaded last: what it asks first is then heard. */
  #load(panel: vscode.WebviewPanel, name: PanelName): void {
    panel.webview.options = panelOptions(this.context.extensionUri);
    panel.webview.html = panelPage(panel.webview, this.context.extensionUri, name);
  }
}
