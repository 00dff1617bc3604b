import { existsSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import type { PanelName } from '../../protocol/panels/names.js';
import { panelStateSchema } from '../../protocol/panels/shared.js';
import type { ComparedPair } from '../compare/comparing.js';
import { findConfigs } from '../config/configFiles.js';
import { Owner } from '../lifecycle.js';
import type { RunStore } from '../runs/runStore.js';
import { DiffPanel, type DiffPanelServices } from './diffPanel.js';
import { ErrorsPanel, type ErrorsPanelServices } from './errorsPanel.js';
import { LayerPanel, type LayerPanelServices, type LayerTarget, layerTarget } from './layerPanel.js';
import { OnePanel, type PanelController } from './onePanel.js';
import { panelOptions, panelPage } from './panelPage.js';
import { TrainingPanel, type TrainingPanelActions } from './trainingPanel.js';

/** What the panels need of the rest of the host. */
export interface PanelServices {
  readonly training: TrainingPanelActions;
  readonly layer: LayerPanelServices;
  readonly errors: ErrorsPanelServices;
  readonly diff: DiffPanelServices;
  /** Compare what an earlier window compared, and tell what goes wrong. */
  readonly compareAgain: (first: string, second: string, committed?: 'first' | 'second') => Promise<void>;
}

/** Opens panels beside the config, uses again those that are open, and restores those of an earlier window. */
export class Panels extends Owner {
  /** By the run's folder. */
  readonly #training = new Map<string, TrainingPanel>();
  readonly #layer: OnePanel<LayerPanel>;
  readonly #errors: OnePanel<ErrorsPanel>;
  readonly #diff: OnePanel<DiffPanel>;

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly log: vscode.LogOutputChannel,
    private readonly runs: RunStore,
    private readonly services: PanelServices,
  ) {
    super();
    const { layer, errors, diff } = services;
    this.#layer = this.#one('layer', 'Layers', (panel, state) => new LayerPanel(panel, layer, state));
    this.#errors = this.#one('errors', 'Errors', (panel) => new ErrorsPanel(panel, errors));
    this.#diff = this.#one('diff', 'A ↔ B', (panel) => new DiffPanel(panel, diff));
  }

  async openTraining(runDirectory: string): Promise<void> {
    const open = this.#training.get(runDirectory);
    if (open === undefined) this.#adoptTraining(this.#create('training', 'Training'), runDirectory);
    else open.panel.reveal(undefined, true);
  }

  /** @param layer the one to select; left out, the one under the cursor */
  async openLayers(target: LayerTarget | undefined, layer?: string): Promise<void> {
    const layers = this.#layer.show();
    if (target === undefined) layers.openEmpty((await findConfigs()).length > 0 ? 'train' : 'createSample');
    else await layers.open(target, layer);
  }

  async openErrors(target: LayerTarget | undefined, second?: string): Promise<void> {
    const errors = this.#errors.show();
    if (target === undefined) errors.openEmpty((await findConfigs()).length > 0 ? 'train' : 'createSample');
    else await errors.open(target, second);
  }

  async openDiff(pair: ComparedPair): Promise<void> {
    await this.#diff.show().open(pair);
  }

  /** A run's folder has another name (its panels go along) or is gone (they close). */
  async runMoved(from: string, to: string | undefined): Promise<void> {
    const training = this.#training.get(from);
    training?.panel.dispose();
    if (training !== undefined && to !== undefined) await this.openTraining(to);
    for (const open of [this.#layer.current, this.#errors.current]) {
      if (open?.target?.runDirectory !== from) continue;
      if (to === undefined) open.panel.dispose();
      else
        await open.open({
          runDirectory: to,
          checkpoint: path.join(to, path.relative(from, open.target.checkpoint)),
        });
    }
  }

  /** Bring a panel of an earlier window back. @param kept what its document kept */
  async restore(name: PanelName, panel: vscode.WebviewPanel, kept: unknown): Promise<void> {
    switch (name) {
      case 'training': {
        const runDirectory = panelStateSchema.safeParse(kept).data?.runDirectory;
        if (runDirectory === undefined || this.#training.has(runDirectory)) panel.dispose();
        else this.#adoptTraining(panel, runDirectory);
        return;
      }
      case 'layer': {
        const restored = this.#layer.restore(panel, kept);
        if (restored === undefined) return;
        const { checkpoint } = restored.state;
        const isThere = checkpoint !== undefined && existsSync(checkpoint);
        await this.openLayers(isThere ? layerTarget(checkpoint) : undefined);
        return;
      }
      case 'errors': {
        const restored = this.#errors.restore(panel, kept);
        if (restored === undefined) return;
        const { checkpoint, second } = restored.state;
        const isThere = (file: string | undefined): file is string => file !== undefined && existsSync(file);
        await this.openErrors(
          isThere(checkpoint) ? layerTarget(checkpoint) : undefined,
          isThere(second) ? second : undefined,
        );
        return;
      }
      case 'diff': {
        const restored = this.#diff.restore(panel, kept);
        if (restored === undefined) return;
        const { checkpoint, second, committed } = restored.state;
        if (checkpoint !== undefined && second !== undefined && existsSync(checkpoint) && existsSync(second))
          await this.services.compareAgain(checkpoint, second, committed);
      }
    }
  }

  override dispose(): void {
    super.dispose();
    for (const panel of this.#training.values()) panel.dispose();
  }

  #one<P extends PanelController>(
    name: PanelName,
    title: string,
    control: ConstructorParameters<typeof OnePanel<P>>[1],
  ): OnePanel<P> {
    return this._register(
      new OnePanel(
        () => this.#create(name, title),
        control,
        (panel) => this.#load(panel, name),
      ),
    );
  }

  #create(name: PanelName, title: string): vscode.WebviewPanel {
    const options = panelOptions(this.context.extensionUri);
    const place = { viewColumn: this.#column(), preserveFocus: true };
    return vscode.window.createWebviewPanel(`dcnet.${name}`, title, place, options);
  }

  /** Our panels stand together, beside the config. */
  #column(): vscode.ViewColumn {
    const panels = [
      ...this.#training.values(),
      ...[this.#layer, this.#errors, this.#diff].map(({ current }) => current),
    ];
    return (
      panels.map((open) => open?.panel.viewColumn).find((column) => column !== undefined) ??
      vscode.ViewColumn.Beside
    );
  }

  #adoptTraining(panel: vscode.WebviewPanel, runDirectory: string): void {
    const training = new TrainingPanel(runDirectory, panel, this.runs, this.services.training, this.log);
    this.#training.set(runDirectory, training);
    panel.onDidDispose(() => {
      this.#training.delete(runDirectory);
      training.dispose();
    });
    this.#load(panel, 'training');
  }

  /** The document is loaded last: what it asks first is then heard. */
  #load(panel: vscode.WebviewPanel, name: PanelName): void {
    panel.webview.options = panelOptions(this.context.extensionUri);
    panel.webview.html = panelPage(panel.webview, this.context.extensionUri, name);
  }
}
