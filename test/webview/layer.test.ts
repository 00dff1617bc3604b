import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LayerInspection } from '../../src/core/statistics/inspection.js';
import type { LayerView } from '../../src/protocol/panels.js';
import { type OpenPanel, PanelBrowser, settle } from './support/browser.js';
import { mark, markPoints, readAxis } from './support/geometry.js';
import { makeInspection } from './support/layers.js';

const inspection = makeInspection();
const full: LayerView = { status: 'full', inspection };
const layerNames = inspection.layers.map(({ name }) => name);
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const layerNamed = (name: string): LayerInspection => inspection.layers.find((layer) => layer.name === name)!;

/** The reference's formulas, written again for these layers. */
const magnitudes: Readonly<Record<string, (norm: number, layer: LayerInspection) => number>> = {
  conv1: (norm, { radius }) => Math.tanh(norm / mean(radius!)),
  conv2: (norm, { radius }) =>
    (1 - Math.exp((-2 * norm) / mean(radius!))) / (1 + Math.exp((-2 * norm) / mean(radius!))),
  conv3: (norm, { radius }) => Math.min(norm / mean(radius!), 1),
  conv4: (norm, { radius }) => (norm < mean(radius!) ? norm : mean(radius!) + 0.5 * (norm - mean(radius!))),
  scores: (norm, { weightNorms }) => mean(weightNorms) * norm,
};
const sigmoid = (degrees: number, k: number): number => {
  // The paper's own form: (1 + e^(−π/2k)) / (1 − e^(−π/2k)) · (1 − e^(θ/k − π/2k)) / (1 + e^(θ/k − π/2k)).
  const theta = (degrees * Math.PI) / 180;
  const [edge, here] = [Math.exp(-Math.PI / (2 * k)), Math.exp(theta / k - Math.PI / (2 * k))];
  return (((1 + edge) / (1 - edge)) * (1 - here)) / (1 + here);
};
const cosine = (degrees: number): number => Math.sin(((90 - degrees) * Math.PI) / 180);
const angulars: Readonly<Record<string, (degrees: number, layer: LayerInspection) => number>> = {
  conv1: cosine,
  conv2: (degrees) => cosine(degrees) * Math.abs(cosine(degrees)),
  conv3: (degrees, { k }) => sigmoid(degrees, mean(k!)),
  conv4: (degrees) => (90 - degrees) / 90,
  scores: cosine,
};

// Pages open slowly where several tests share few cores.
vi.setConfig({ testTimeout: 30_000 });

describe('the layer panel', () => {
  let browser: PanelBrowser;
  let panel: OpenPanel;
  let page: Page;

  const open = async (
    view: LayerView,
    more: { selectedLayer?: string; pinned?: boolean; state?: object } = {},
  ) => {
    panel = await browser.open({ panel: 'layer', view, ...more });
    page = panel.page;
  };
  const requests = (name: string) =>
    page.evaluate((wanted) => fakeHost.requests.filter((request) => request.name === wanted), name);
  const show = async (view: LayerView) => {
    await page.evaluate((next) => fakeHost.show(next), view);
    await settle(page);
  };
  const chosen = () => page.locator('[role=option][aria-selected=true]').getAttribute('data-key');

  beforeAll(async () => {
    browser = await PanelBrowser.start();
  }, 60_000);
  afterAll(() => browser?.stop());
  beforeEach(() => open(full), 30_000);
  afterEach(async () => {
    expect(panel.complaints).toEqual([]);
    await panel.close();
  });

  it('says what is looked at', async () => {
    expect(await page.locator('h1').textContent()).toBe(
      'fashion-tanhepoch-0008test split · n = 1,000 · wasm · accuracy 86.6 %',
    );
  });

  it('lists the layers with their shares beyond the radius', async () => {
    const rows = await page.locator('[role=option]').allTextContents();
    expect(rows).toHaveLength(5);
    inspection.layers.forEach(({ name, regimes }, i) => {
      expect(rows[i]).toContain(name);
      const beyond = regimes?.find((regime) => regime.name === 'beyond the radius');
      expect(rows[i]).toContain(beyond ? `${(beyond.share * 100).toFixed(1)} % beyond R` : 'no radius');
    });
  });

  it('shows the fixture’s regime shares, counts and floor', async () => {
    const evidence = await page.locator('.evidence').textContent();
    const [below, beyond] = layerNamed('conv1').regimes!;
    expect(evidence).toContain(`${(below!.share * 100).toFixed(1)} % below the radius`);
    expect(evidence).toContain(`${(beyond!.share * 100).toFixed(1)} % beyond the radius`);
    expect(evidence).toContain('120,000');
    expect(evidence).toContain(`312,448 (${((312_448 / 432_448) * 100).toFixed(1)} %), ‖x‖ under 0.01`);
    const bars = await page
      .locator('.regime-bar.wide rect')
      .evaluateAll((rects) => rects.map((rect) => Number(rect.getAttribute('width'))));
    expect(bars[0]! / (bars[0]! + bars[1]!)).toBeCloseTo(below!.share, 3);
  });

  it('says whether ρ or R is shown, and how the radius is made', async () => {
    expect(await page.locator('.radius-words').textContent()).toMatch(
      /radius in use R = ρ·E‖x‖ \(adaptive radius\)/,
    );
    expect(await page.locator('.legend').textContent()).toContain('radius in use R = ρ·E‖x‖ (adaptive)');
    await page.locator('[data-key=conv4]').click();
    expect(await page.locator('.radius-words').textContent()).toMatch(
      /the learned ρ itself \(fixed radius\)/,
    );
    expect(await page.locator('.legend').textContent()).toContain('radius in use R = ρ (fixed)');
    await page.locator('[data-key=scores]').click();
    expect(await page.locator('.radius-words').textContent()).toMatch(/no radius/);
    expect(await page.locator('.formulas').textContent()).toContain('h = ‖w‖‖x‖');
  });

  it('has the fixture’s statistics in its table', async () => {
    const rows = await page
      .locator('.block:has(h2:text-is("Statistics")) tbody tr')
      .evaluateAll((elements) =>
        elements.map((row) =>
          [...row.children].map((cell) => [cell.textContent, cell.getAttribute('title')]),
        ),
      );
    const { norm, angle } = layerNamed('conv1');
    const keys = ['mean', 'deviation', 'minimum', 'p05', 'median', 'p95', 'maximum'] as const;
    expect(rows).toHaveLength(keys.length);
    keys.forEach((key, i) => {
      expect(rows[i]![1]).toEqual([norm[key].toPrecision(3), String(norm[key])]);
      expect(rows[i]![2]).toEqual([`${angle[key].toFixed(1)}°`, String(angle[key])]);
    });
  });

  it('draws densities as high as the counts', async () => {
    for (const [key, kind, axis] of [
      ['norm-density', 'norm', 1],
      ['angle-density', 'angle', 0],
    ] as const) {
      const { counts } = layerNamed('conv1')[kind].histogram;
      const points = await markPoints(page, key);
      const outline = points.slice(0, counts.length * 2);
      const base = points.at(-1)![axis];
      const heights = counts.map((_, i) => Math.abs(outline[2 * i]![axis] - base));
      const [tallest, most] = [Math.max(...heights), Math.max(...counts)];
      expect(tallest).toBeGreaterThan(50);
      heights.forEach((height, i) => {
        expect(Math.abs(height / tallest - counts[i]! / most)).toBeLessThan(0.001);
      });
    }
  });

  it.each(layerNames)('draws h and g of %s as the formulas say', async (name) => {
    const layer = layerNamed(name);
    await page.locator(`[data-key=${name}]`).click();
    await settle(page);
    const [normOf, hOf, angleOf, gOf] = await Promise.all([
      readAxis(page, 'norm', 'x1'),
      readAxis(page, 'h', 'y1'),
      readAxis(page, 'angle', 'y1'),
      readAxis(page, 'g', 'x1'),
    ]);
    const h = await markPoints(page, 'h-line');
    const largest = Math.max(...h.map(([, y]) => hOf(y)));
    expect(h.length).toBeGreaterThan(100);
    for (const [x, y] of h) {
      expect(Math.abs(hOf(y) - magnitudes[name]!(normOf(x), layer)) / largest).toBeLessThan(0.003);
    }
    const g = await markPoints(page, 'g-line');
    expect(g).toHaveLength(121);
    for (const [x, y] of g) expect(Math.abs(gOf(x) - angulars[name]!(angleOf(y), layer))).toBeLessThan(0.003);
  });

  it('marks the radius, and every filter’s own', async () => {
    const { radius } = layerNamed('conv1');
    const normOf = await readAxis(page, 'norm', 'x1');
    expect(normOf(Number(await mark(page, 'radius').getAttribute('x1')))).toBeCloseTo(mean(radius!), 2);
    expect(await mark(page, 'radius-value').textContent()).toBe(`R ${mean(radius!).toPrecision(3)}`);
    expect(await page.locator('svg.surface .filter-tick').count()).toBe(16);
  });

  it('shades the joint density by the counts', async () => {
    const cells = await page.locator('svg.surface .cell').evaluateAll((paths) =>
      paths.map((path) => ({
        opacity: Number(path.getAttribute('fill-opacity')),
        cells: (path.getAttribute('d')?.match(/M/g) ?? []).length,
      })),
    );
    const { counts } = layerNamed('conv1').joint;
    const most = Math.max(...counts);
    expect(cells.reduce((sum, shade) => sum + shade.cells, 0)).toBe(
      counts.filter((value) => value > 0).length,
    );
    for (const shade of cells) {
      const level = Math.round(shade.opacity * 16);
      const inside = counts.filter((value) => value > 0 && Math.ceil(16 * Math.sqrt(value / most)) === level);
      expect(shade.cells).toBe(inside.length);
    }
  });

  it('sorts the filters, and draws the curves of a chosen one', async () => {
    const filters = page.locator('.block:has(h2:text-is("Filters"))');
    await filters.getByRole('button', { name: 'R', exact: true }).click();
    const names = await filters.locator('tbody th').allTextContents();
    const { radius } = layerNamed('conv1');
    const expected = radius!.map((value, i) => [value, i] as const).sort((a, b) => a[0] - b[0]);
    expect(names.map(Number)).toEqual(expected.map(([, i]) => i));
    await filters.getByRole('button', { name: '3', exact: true }).click();
    const normOf = await readAxis(page, 'norm', 'x1');
    expect(normOf(Number(await mark(page, 'radius').getAttribute('x1')))).toBeCloseTo(radius![3]!, 2);
    expect(await page.locator('.legend').textContent()).toContain('filter 3');
    expect(await page.evaluate(() => document.activeElement?.getAttribute('data-row'))).toBe('3');
  });

  it('is walked by keyboard: list, then chart', async () => {
    const list = page.getByRole('listbox');
    await list.focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    expect(await chosen()).toBe('conv3');
    await page.keyboard.press('End');
    expect(await chosen()).toBe('scores');
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    await settle(page);
    expect((await requests('selectLayer')).map(({ params }) => params)).toEqual(
      ['conv2', 'conv3', 'scores', 'conv1', 'conv1'].map((layer) => ({ layer })),
    );
    const focused: string[] = [];
    for (let i = 0; i < 4; i++) {
      await page.keyboard.press('Tab');
      focused.push(
        await page.evaluate(() => document.activeElement?.getAttribute('aria-label')?.split('.')[0] ?? ''),
      );
    }
    expect(focused).toEqual([
      'Show as table',
      'Save the chart as SVG',
      'Save the chart as PNG',
      'conv1: TanhConv · cosine',
    ]);
  });

  it('reads the chart’s cells aloud, and keeps the place through new numbers', async () => {
    const { joint } = layerNamed('conv1');
    const densest = joint.counts.indexOf(Math.max(...joint.counts));
    await page.getByRole('listbox').focus();
    for (let i = 0; i < 4; i++) await page.keyboard.press('Tab');
    const spoken = () => page.locator('.chart [role=status]').textContent();
    expect(await spoken()).toContain(`pairs here ${joint.counts[densest]!.toLocaleString('en')} (`);
    await page.keyboard.press('ArrowRight');
    expect(await spoken()).toContain(`pairs here ${joint.counts[densest + 60]!.toLocaleString('en')} (`);
    await page.keyboard.press('ArrowUp');
    expect(await spoken()).toContain(`pairs here ${joint.counts[densest + 61]!.toLocaleString('en')} (`);
    await show({
      status: 'loading',
      checkpoint: 'epoch-0009',
      progress: { activity: 'Measuring', done: 1, total: 9 },
      previous: inspection,
    });
    await show(full);
    expect(await page.locator('.tooltip').isVisible()).toBe(true);
    await page.keyboard.press('ArrowDown');
    expect(await spoken()).toContain(`pairs here ${joint.counts[densest + 60]!.toLocaleString('en')} (`);
    await page.keyboard.press('Escape');
    expect(await page.locator('.tooltip').isVisible()).toBe(false);
  });

  it('shows the numbers as tables', async () => {
    await page.getByRole('button', { name: 'Show as table' }).click();
    expect(await page.locator('svg.surface').isVisible()).toBe(false);
    const patches = await page
      .locator('.chart-tables table')
      .first()
      .locator('tbody tr td:nth-child(3)')
      .allTextContents();
    const counts = patches.map((text) => Number(text.replaceAll(',', '')));
    expect(counts).toEqual(layerNamed('conv1').norm.histogram.counts);
    const joint = await page.locator('.chart-tables table').nth(2).locator('tbody td').allTextContents();
    const total = joint.reduce((sum, text) => sum + Number(text.replaceAll(',', '')), 0);
    expect(total).toBe(layerNamed('conv1').joint.counts.reduce((sum, value) => sum + value, 0));
    await page.getByRole('button', { name: 'Show as table' }).click();
    expect(await page.locator('svg.surface').isVisible()).toBe(true);
  });

  it('saves the chart as SVG with colours, title and source', async () => {
    await page.getByRole('button', { name: 'Save the chart as SVG' }).click();
    await expect.poll(() => requests('saveFile')).toHaveLength(1);
    const { suggestedName, content, encoding } = (await requests('saveFile'))[0]!.params as Record<
      string,
      string
    >;
    expect([suggestedName, encoding]).toEqual(['epoch-0008-conv1.svg', 'utf8']);
    const parsed = await page.evaluate((text) => {
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
    expect(parsed.fills).toEqual(expect.arrayContaining(['#d18616', '#59a4f9', '#cccccc', 'none']));
    expect(parsed.words).toContain('conv1: TanhConv · cosine');
    expect(parsed.words).toContain(
      'fashion-tanh › epoch-0008 › test split · n = 1,000 · wasm · accuracy 86.6 % › conv1',
    );
    expect(await page.locator('.exporting').count()).toBe(0);
  });

  it('saves the chart as PNG', async () => {
    await page.getByRole('button', { name: 'Save the chart as PNG' }).click();
    await expect.poll(() => requests('saveFile')).toHaveLength(1);
    const { suggestedName, content, encoding } = (await requests('saveFile'))[0]!.params as Record<
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
    await page.getByRole('button', { name: 'Export the numbers of all layers as JSON' }).click();
    await settle(page);
    const { suggestedName, content } = (await requests('saveFile'))[0]!.params as Record<string, string>;
    expect(suggestedName).toBe('fashion-tanh-epoch-0008-test-layers.json');
    expect(JSON.parse(content!)).toEqual(inspection);
  });

  it('follows the cursor without telling the host, unless pinned', async () => {
    await page.evaluate(() => fakeHost.selectLayer('conv3'));
    await settle(page);
    expect(await chosen()).toBe('conv3');
    expect(await requests('selectLayer')).toEqual([]);
    await page.getByRole('button', { name: /pin it/ }).click();
    await page.evaluate(() => fakeHost.selectLayer('conv1'));
    await settle(page);
    expect(await chosen()).toBe('conv3');
    expect((await requests('setPinned')).map(({ params }) => params)).toEqual([{ pinned: true }]);
    await page.getByRole('button', { name: /^Pinned/ }).click();
    await page.evaluate(() => fakeHost.selectLayer('pool1'));
    await settle(page);
    expect(await chosen()).toBe('conv3');
  });

  it('keeps interface state, and takes it up again', async () => {
    await page.locator('[data-key=conv2]').click();
    await settle(page);
    const state = await page.evaluate(() => fakeHost.state as object);
    expect(state).toEqual({ checkpoint: inspection.checkpoint, pinned: false, selectedLayer: 'conv2' });
    await panel.close();
    await open(full, { state });
    expect(await chosen()).toBe('conv2');
    await panel.close();
    await open(full, { state, selectedLayer: 'conv4' });
    expect(await chosen()).toBe('conv4');
    await panel.close();
    await open(full, { state: { selectedLayer: 7 } });
    expect(await chosen()).toBe('conv1');
  });

  it('teaches when it is empty', async () => {
    await show({
      status: 'empty',
      message: 'Create a network first.',
      action: { label: 'Create a sample', command: 'createSample' },
    });
    expect(await page.locator('.empty-state p').textContent()).toBe('Create a network first.');
    expect(await page.getByRole('listbox').isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Create a sample' }).click();
    await settle(page);
    expect((await requests('runAction')).map(({ params }) => params)).toEqual([{ command: 'createSample' }]);
  });

  it('keeps the last picture dimmed while it measures, and can be cancelled', async () => {
    await show({
      status: 'loading',
      checkpoint: 'epoch-0009',
      progress: { activity: 'Measuring conv3', done: 420, total: 1000 },
      previous: inspection,
    });
    expect(await page.locator('.progress-words').textContent()).toContain('Measuring conv3420 of 1,000');
    expect(await page.locator('progress').evaluate((bar) => (bar as HTMLProgressElement).value)).toBe(0.42);
    expect(await page.locator('svg.surface').evaluate((chart) => getComputedStyle(chart).opacity)).toBe(
      '0.45',
    );
    await page.getByRole('button', { name: 'Cancel' }).click();
    await settle(page);
    expect(await requests('cancel')).toHaveLength(1);
    await show(full);
    expect(await page.locator('svg.surface').evaluate((chart) => getComputedStyle(chart).opacity)).toBe('1');
    expect(await page.locator('.progress-block').isVisible()).toBe(false);
  });

  it('says what went wrong and keeps the picture', async () => {
    await show({
      status: 'error',
      error: {
        code: 'checkpoint',
        message: 'The file is cut off.',
        remedy: 'Take another.',
        file: 'a.safetensors',
        line: 3,
      },
      previous: inspection,
    });
    const alert = await page.getByRole('alert').textContent();
    for (const part of ['The file is cut off.', 'Take another.', 'a.safetensors:3'])
      expect(alert).toContain(part);
    expect(await page.locator('svg.surface').isVisible()).toBe(true);
    await page.getByRole('button', { name: 'Try again' }).click();
    await settle(page);
    expect(await requests('retry')).toHaveLength(1);
  });

  it('shows a request that failed, and goes on', async () => {
    await page.evaluate(() => {
      fakeHost.failNext = {
        name: 'selectLayer',
        error: { code: 'io', message: 'The config is gone.', remedy: 'Put it back.' },
      };
    });
    await page.locator('[data-key=conv2]').click();
    await settle(page);
    expect(await page.getByRole('alert').textContent()).toContain('The config is gone.Put it back.');
    expect(await chosen()).toBe('conv2');
    await page.getByRole('button', { name: 'Dismiss' }).click();
    expect(await page.getByRole('alert').isVisible()).toBe(false);
  });
});
