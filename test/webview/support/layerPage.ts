import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import type { ErrorDetails } from '../../../src/core/errors.js';
import type { LayerView } from '../../../src/protocol/panels/layer.js';
import { type OpenPanel, type PanelBrowser, settle } from './browser.js';
import type { LayerSetup as HostSetup } from './hosts/layer.js';
import type { Theme } from './themes.js';

interface LayerSetup extends Omit<HostSetup, 'panel'> {
  /** What a restored panel finds; may be of any form, as what an older version left behind. */
  readonly state?: object;
  readonly failReady?: ErrorDetails;
}

/** An open layer panel, and what its tests do and ask all the time. */
export class LayerPage {
  private constructor(
    private readonly browser: PanelBrowser,
    private panel: OpenPanel,
  ) {}

  static async open(browser: PanelBrowser, setup: LayerSetup): Promise<LayerPage> {
    return new LayerPage(browser, await browser.open({ panel: 'layer', ...setup }));
  }

  get page(): Page {
    return this.panel.page;
  }

  /** Requests of this name that the host got so far. */
  requests(name: string): Promise<readonly { readonly params: unknown }[]> {
    return this.page.evaluate(
      (wanted) => fakeHost.requests.filter((request) => request.name === wanted),
      name,
    );
  }

  /** The host sends a snapshot. */
  async show(view: LayerView): Promise<void> {
    await this.page.evaluate((next) => fakeHost.show(next), view);
    await settle(this.page);
  }

  setTheme(theme: Theme): Promise<void> {
    return this.panel.setTheme(theme);
  }

  /** Name of the selected layer. */
  chosen(): Promise<string | null> {
    return this.page.locator('[role=option][aria-selected=true]').getAttribute('data-key');
  }

  /** Close, and open as after a reload of the window. */
  async reopen(setup: LayerSetup): Promise<void> {
    await this.close();
    this.panel = await this.browser.open({ panel: 'layer', ...setup });
  }

  /** Close; fails where the page had an error or violated its policy. */
  async close(): Promise<void> {
    expect(this.panel.complaints).toEqual([]);
    await this.panel.close();
  }
}
