import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults, RunOptions } from 'axe-core';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keepPicture, PanelBrowser, settle } from './browser.js';
import type { Setup } from './fakeHost.js';
import { type Theme, themes } from './themes.js';

/** A panel as it can be found. */
export interface State {
  readonly name: string;
  readonly setup: Setup;
  /** Left out: all of them. */
  readonly themes?: readonly Theme[];
  readonly prepare?: (page: Page) => Promise<void>;
}

/**
 * Findings that keep somebody from using the panel.
 * @param rules `colour`: those alone that a theme can break, for a page that was examined by all in another theme
 */
export async function barriers(page: Page, rules: 'all' | 'colour' = 'all'): Promise<readonly string[]> {
  // By name: a tag would turn on rules that are off by default.
  const ofColour: RunOptions = {
    runOnly: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] },
  };
  // What passed is neither told nor described, which takes most of the time.
  const options: RunOptions = {
    ...(rules === 'all' ? {} : ofColour),
    ...{ resultTypes: ['violations'], selectors: false, preload: false },
  };
  const results = await page.evaluate(async (options) => {
    const { axe } = globalThis as unknown as { axe: { run(options: RunOptions): Promise<AxeResults> } };
    return axe.run(options);
  }, options);
  return results.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(' | ')}`,
    );
}

/** Each state in each theme: pictured, without a serious finding of axe, and fitting 420 px. */
export function checkStates(states: readonly State[]): void {
  describe('every state in every theme', () => {
    let browser: PanelBrowser;
    let axeSource: string;

    beforeAll(async () => {
      browser = await PanelBrowser.start();
      axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    }, 60_000);
    afterAll(() => browser?.stop());

    it.each(states)(
      '$name reads well, is accessible and fits 420 px',
      async ({ name, setup, prepare, themes: shown = themes }) => {
        const { page, complaints, setTheme, close } = await browser.open(setup);
        await page.evaluate(axeSource);
        await prepare?.(page);
        for (const theme of shown) {
          await page.setViewportSize({ width: 960, height: 1000 });
          await setTheme(theme);
          await settle(page);
          await keepPicture(page, `${name}.${theme.name}`);
          const rules = theme === shown[0] ? 'all' : 'colour';
          expect(await barriers(page, rules), `${name} in ${theme.name}`).toEqual([]);
          await page.setViewportSize({ width: 420, height: 900 });
          await settle(page);
          await keepPicture(page, `${name}.${theme.name}.narrow`);
          const overflow = await page.evaluate(
            () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
          );
          expect(overflow, `${name} at 420 px`).toBeLessThanOrEqual(0);
        }
        const pictures = await page
          .locator('svg')
          .evaluateAll((all) => all.map((svg) => svg.outerHTML).join());
        expect(/.{40}(NaN|Infinity|undefined).{20}/.exec(pictures)).toBeNull();
        expect(complaints).toEqual([]);
        await close();
      },
      120_000,
    );
  });
}
