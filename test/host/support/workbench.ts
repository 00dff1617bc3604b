import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { chromium, type Frame, type Locator, type Page } from 'playwright-core';
import * as vscode from 'vscode';
import type { DocumentName } from '../../../src/protocol/panels/names.js';
import { skip } from './run.js';
import { until, usualLimitMs } from './until.js';

/** For a suite: a picture of what a failed test saw. */
export function pictureFailures(): void {
  afterEach(async function () {
    const test = this.currentTest;
    if (test?.state !== 'failed' || process.env.DCNET_TEST_CDP === undefined) return;
    await Workbench.of(this);
    await Workbench.screenshotAll(`failed ${test.fullTitle()}`.replaceAll(/[^A-Za-z0-9]+/g, '-'));
  });
}

/**
 * How long the palette may take to open, and to list what it has, before it is opened anew. Each time twice as long:
 * what is just becoming possible is soon found, and a busy machine, which lists it late, has the time that it takes.
 */
const firstPaletteMs = 2_000;
const mostPaletteMs = 16_000;

/** The workbench writes down which editors are open every five seconds. */
const keptMs = 7_000;

/** For a suite whose tests build on each other: after a failure the rest is skipped, and a picture tells why. */
export function eachBuildsOnTheLast(): void {
  let failed: string | undefined;
  beforeEach(function () {
    if (failed !== undefined) skip(this, `it builds on “${failed}”, which failed`);
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') failed ??= this.currentTest.title;
  });
  pictureFailures();
}

/** The workbench as its user sees it, driven over the Chrome DevTools Protocol. */
export class Workbench {
  static #connecting: Promise<Workbench> | undefined;

  /** Every window that is open, the one with the tests first. */
  static readonly #open = new Set<Workbench>();

  private constructor(readonly page: Page) {
    page.setDefaultTimeout(usualLimitMs);
    Workbench.#open.add(this);
    page.once('close', () => Workbench.#open.delete(this));
  }

  static async screenshotAll(name: string): Promise<void> {
    for (const [index, workbench] of [...Workbench.#open].entries())
      await workbench.screenshot(index === 0 ? name : `${name}-window-${index + 1}`);
  }

  /** The one that shows this extension host; the test is skipped where it cannot be reached. */
  static async of(context: Mocha.Context): Promise<Workbench> {
    const address = process.env.DCNET_TEST_CDP;
    if (address === undefined) skip(context, 'DCNET_TEST_CDP names no browser to look into');
    Workbench.#connecting ??= Workbench.#connect(address);
    return Workbench.#connecting;
  }

  static async #connect(address: string): Promise<Workbench> {
    const browser = await chromium.connectOverCDP(address);
    const page = await until('a page with the workbench', async () => {
      for (const page of browser.contexts().flatMap((context) => context.pages()))
        if ((await page.locator('.monaco-workbench').count()) > 0) return page;
      return undefined;
    });
    return new Workbench(page);
  }

  /** Another window on the same folder, as a reload would open it: it restores what this one keeps. */
  async anotherWindow(): Promise<Workbench> {
    await delay(keptMs);
    const address = new URL(this.page.url());
    const payload: [string, string][] = JSON.parse(address.searchParams.get('payload') ?? '[]');
    const withoutTests = payload.filter(([key]) => key !== 'extensionTestsPath');
    address.searchParams.set('payload', JSON.stringify(withoutTests));
    const page = await this.page.context().newPage();
    await page.goto(address.toString(), { waitUntil: 'commit' });
    await page.locator('.monaco-workbench .part.statusbar').waitFor();
    return new Workbench(page);
  }

  /** Choose a command in the palette, by its whole title. */
  async palette(title: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget input.input').first();
    const row = this.page.locator(`.quick-input-list .monaco-list-row[aria-label^="${title}"]`).first();
    // The palette lists what is possible when it is opened; what becomes possible later is not added.
    let timeout = firstPaletteMs / 2;
    await until(`the command ${title}`, async () => {
      timeout = Math.min(2 * timeout, mostPaletteMs);
      await this.page.keyboard.press('F1');
      await input.waitFor({ timeout }); // a key press may be lost where the focus is just moving
      await input.fill(`>${title}`);
      try {
        await row.waitFor({ timeout });
      } catch (thrown) {
        const listed = await this.page.locator('.quick-input-list .monaco-list-row').allInnerTexts();
        await this.page.keyboard.press('Escape');
        throw new Error(`the palette listed ${JSON.stringify(listed)}`, { cause: thrown });
      }
      // Once only: the command may take the palette away before a click would have answered.
      await this.page.keyboard.press('Enter');
      return true;
    });
  }

  /** Agree to what the dialog suggests that asks where to save. @returns the file's absolute path */
  async saveAsSuggested(): Promise<string> {
    const input = this.page.locator('.quick-input-widget:visible input.input');
    // The name comes once the dialog has looked into the folder.
    const file = await until('the suggested name', async () => {
      const value = await input.inputValue();
      return /\.\w+$/.test(value) && value;
    });
    await this.page.locator('.quick-input-widget').getByText('OK', { exact: true }).click();
    return file;
  }

  /** The document of a panel that is shown, once its script has run. */
  async panel(name: DocumentName): Promise<Frame> {
    return until(`the ${name} panel’s document`, async () => {
      const seen: string[] = [];
      for (const frame of this.page.frames()) {
        if (frame === this.page.mainFrame() || frame.isDetached()) continue;
        const found = await frame.locator(`body[data-panel="${name}"] main`).count();
        if (found > 0 && (await (await frame.frameElement()).isVisible())) return frame;
        const body = await frame
          .locator('body')
          .innerHTML({ timeout: 1_000 })
          .catch((thrown: unknown) => `unreadable: ${thrown}`);
        seen.push(`${found > 0 ? 'hidden ' : ''}${new URL(frame.url()).pathname}: ${body.slice(0, 200)}`);
      }
      throw new Error(`${seen.length} frames: ${seen.join('; ')}`);
    });
  }

  /** Rows of the tree of runs, as they read. */
  get runRows(): Locator {
    return this.page.locator('.tree-explorer-viewlet-tree-view .monaco-list-row');
  }

  get statusBar(): Locator {
    return this.page.locator('.statusbar-item[id*="dcnet.training"]');
  }

  /** A notification with this text, in the list of all: toasts do not show in every test host. */
  async notification(text: string | RegExp): Promise<Locator> {
    const found = this.page.locator('.notification-list-item').filter({ hasText: text }).first();
    await until(`a notification ${text}`, async () => {
      await vscode.commands.executeCommand('notifications.showList');
      return found.isVisible();
    });
    return found;
  }

  async screenshot(name: string): Promise<void> {
    const folder = process.env.DCNET_TEST_OUTPUT;
    if (folder !== undefined) await this.page.screenshot({ path: path.join(folder, `${name}.png`) });
  }
}
