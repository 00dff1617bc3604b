import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LayerView } from '../../src/protocol/panels/layer.js';
import { PanelBrowser, settle } from './support/browser.js';
import { LayerPage } from './support/layerPage.js';
import { makeInspection } from './support/layers.js';
import { themes } from './support/themes.js';

const inspection = makeInspection();
const full: LayerView = { status: 'full', inspection };

// Pages open slowly where several tests share few cores.
vi.setConfig({ testTimeout: 30_000 });

describe('files that the layer panel saves', () => {
  let browser: PanelBrowser;
  let panel: LayerPage;

  beforeAll(async () => {
    browser = await PanelBrowser.start();
  }, 60_000);
  afterAll(() => browser?.stop());
  beforeEach(async () => {
    panel = await LayerPage.open(browser, { view: full });
  }, 30_000);
  afterEach(() => panel.close());

  it('saves the chart as SVG with colours, title and source', async () => {
    await panel.page.locator('.hero').getByRole('button', { name: 'Save the chart as SVG' }).click();
    await expect.poll(() => panel.requests('saveFile')).toHaveLength(1);
    const { suggestedName, content, encoding } = (await panel.requests('saveFile'))[0]!.params as Record<
      string,
      string
    >;
    expect([suggestedName, encoding]).toEqual(['epoch-0008-conv1.svg', 'utf8']);
    const parsed = await panel.page.evaluate((text) => {
      const document = new DOMParser().parseFromString(text, 'image/svg+xml');
      return {
        error: document.querySelector('parsererror')?.textContent,
        root: document.documentElement.tagName,
        words: [...document.querySelectorAll('text')].map((element) => element.textContent),
        unresolved: [...document.querySelectorAll('*')].filter(
          (element) => element.hasAttribute('class') || element.hasAttribute('style'),
        ).length,
        fills: [
          ...new Set([...document.querySelectorAll('path')].map((element) => element.getAttribute('fill'))),
        ],
      };
    }, content!);
    expect(parsed.error).toBeUndefined();
    expect(parsed.root).toBe('svg');
    expect(parsed.unresolved).toBe(0);
    expect(content).not.toContain('var(');
    expect(content).not.toContain('NaN');
    expect(parsed.fills).toEqual(expect.arrayContaining(['#ea5c00', '#59a4f9', '#cccccc', 'none']));
    expect(parsed.words).toContain('conv1: TanhConv · cosine');
    expect(parsed.words).toContain(
      'fashion-tanh › epoch-0008 › test split · n = 1,000 · wasm · accuracy 86.6 % › conv1',
    );
    expect(await panel.page.locator('.exporting').count()).toBe(0);
  });

  it('takes the hatching of high contrast along', async () => {
    await panel.setTheme(themes.find(({ name }) => name === 'contrast-light')!);
    await panel.page.locator('.hero').getByRole('button', { name: 'Save the chart as SVG' }).click();
    await expect.poll(() => panel.requests('saveFile')).toHaveLength(1);
    const { content } = (await panel.requests('saveFile'))[0]!.params as Record<string, string>;
    const lines = await panel.page.evaluate((text) => {
      const document = new DOMParser().parseFromString(text, 'image/svg+xml');
      const areas = [...document.querySelectorAll('[fill^="url"]')].map((area) => area.getAttribute('fill')!);
      return areas.map((fill) => {
        const id = /#([\w-]+)/.exec(fill)?.[1];
        return document.querySelector(`pattern[id="${id}"] path`)?.getAttribute('stroke');
      });
    }, content!);
    // Legend and picture: norm twice, angle twice, in this theme's two blues.
    expect(lines.sort()).toEqual(['#0f4a85', '#0f4a85', '#1a85ff', '#1a85ff']);
  });

  it('saves the chart as PNG', async () => {
    await panel.page.locator('.hero').getByRole('button', { name: 'Save the chart as PNG' }).click();
    await expect.poll(() => panel.requests('saveFile')).toHaveLength(1);
    const { suggestedName, content, encoding } = (await panel.requests('saveFile'))[0]!.params as Record<
      string,
      string
    >;
    expect([suggestedName, encoding]).toEqual(['epoch-0008-conv1.png', 'base64']);
    const bytes = Buffer.from(content!, 'base64');
    expect(bytes.subarray(0, 8).toString('hex')).toBe('89504e470d0a1a0a');
    expect(bytes.readUInt32BE(16)).toBe(2 * (720 + 32));
    expect(bytes.length).toBeGreaterThan(10_000);
  });

  it('exports all numbers as JSON', async () => {
    await panel.page.getByRole('button', { name: 'Export the numbers of all layers as JSON' }).click();
    await settle(panel.page);
    const { suggestedName, content } = (await panel.requests('saveFile'))[0]!.params as Record<
      string,
      string
    >;
    expect(suggestedName).toBe('fashion-tanh-epoch-0008-test-layers.json');
    expect(JSON.parse(content!)).toEqual(inspection);
  });
});
