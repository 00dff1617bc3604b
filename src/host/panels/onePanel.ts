import type * as vscode from 'vscode';
import { type PanelState, panelStateSchema } from '../../protocol/panels/shared.js';
import type { Disposes } from '../lifecycle.js';

/** What controls a webview panel. */
export interface PanelController extends Disposes {
  readonly panel: vscode.WebviewPanel;
}

/** A panel of which a window has one: made when it is first needed, used again, forgotten when it is closed. */
export class OnePanel<P extends PanelController> implements Disposes {
  #current: P | undefined;

  constructor(
    private readonly create: () => vscode.WebviewPanel,
    private readonly control: (panel: vscode.WebviewPanel, state: PanelState) => P,
    /** Loads the document: last, so that what it asks first is heard. */
    private readonly load: (panel: vscode.WebviewPanel) => void,
  ) {}

  get current(): P | undefined {
    return this.#current;
  }

  /** The panel, in sight, without taking the focus. */
  show(): P {
    if (this.#current === undefined) return this.#adopt(this.create(), {});
    this.#current.panel.reveal(undefined, true);
    return this.#current;
  }

  /** Take over the panel of an earlier window, with the state that its document kept; undefined when there is one already. */
  restore(
    panel: vscode.WebviewPanel,
    kept: unknown,
  ): { readonly controller: P; readonly state: PanelState } | undefined {
    if (this.#current !== undefined) {
      panel.dispose();
      return undefined;
    }
    const state = panelStateSchema.safeParse(kept).data ?? {};
    return { controller: this.#adopt(panel, state), state };
  }

  dispose(): void {
    this.#current?.dispose();
  }

  #adopt(panel: vscode.WebviewPanel, state: PanelState): P {
    const controller = this.control(panel, state);
    this.#current = controller;
    panel.onDidDispose(() => {
      this.#current = undefined;
      controller.dispose();
    });
    this.load(panel);
    return controller;
  }
}
