import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LayerView } from '../../src/protocol/panels/layer.js';
import { PanelBrowser, settle } from './support/browser.js';
import { LayerPage } from './support/layerPage.js';
import { makeInspection } from './support/layers.js';

const inspection = makeInspection();
const full: LayerView = { status: 'full', inspection };

// Pages open slowly where several tests share few cores.
vi.setConfig({ testTimeout: 30_000 });

describe('the layer panel’s manners', () => {
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

  it('is walked by keyboard: list, then chart', async () => {
    const list = panel.page.getByRole('listbox');
    await list.focus();
    await panel.page.keyboard.press('ArrowDown');
    await panel.page.keyboard.press('ArrowRight');
    expect(await panel.chosen()).toBe('conv3');
    await panel.page.keyboard.press('End');
    expect(await panel.chosen()).toBe('scores');
    await panel.page.keyboard.press('Home');
    await panel.page.keyboard.press('Enter');
    await settle(panel.page);
    expect((await panel.requests('selectLayer')).map(({ params }) => params)).toEqual(
      ['conv2', 'conv3', 'scores', 'conv1', 'conv1'].map((layer) => ({ layer })),
    );
    const focused: string[] = [];
    for (let i = 0; i < 4; i++) {
      await panel.page.keyboard.press('Tab');
      focused.push(
        await panel.page.evaluate(
          () => document.activeElement?.getAttribute('aria-label')?.split('.')[0] ?? '',
        ),
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
    const { joint } = inspection.layers[0]!;
    const densest = joint.counts.indexOf(Math.max(...joint.counts));
    await panel.page.getByRole('listbox').focus();
    for (let i = 0; i < 4; i++) await panel.page.keyboard.press('Tab');
    const spoken = () => panel.page.locator('.hero .chart [role=status]').textContent();
    expect(await spoken()).toContain(`pairs here ${joint.counts[densest]!.toLocaleString('en')} (`);
    await panel.page.keyboard.press('ArrowRight');
    expect(await spoken()).toContain(`pairs here ${joint.counts[densest + 60]!.toLocaleString('en')} (`);
    await panel.page.keyboard.press('ArrowUp');
    expect(await spoken()).toContain(`pairs here ${joint.counts[densest + 61]!.toLocaleString('en')} (`);
    await panel.show({
      status: 'loading',
      checkpoint: 'epoch-0009',
      progress: { activity: 'Measuring', done: 1, total: 9 },
      previous: inspection,
    });
    await panel.show(full);
    expect(await panel.page.locator('.hero .tooltip').isVisible()).toBe(true);
    await panel.page.keyboard.press('ArrowDown');
    expect(await spoken()).toContain(`pairs here ${joint.counts[densest + 60]!.toLocaleString('en')} (`);
    await panel.page.keyboard.press('Escape');
    expect(await panel.page.locator('.hero .tooltip').isVisible()).toBe(false);
  });

  it('follows the cursor without telling the host, unless pinned', async () => {
    await panel.page.evaluate(() => fakeHost.selectLayer('conv3'));
    await settle(panel.page);
    expect(await panel.chosen()).toBe('conv3');
    expect(await panel.requests('selectLayer')).toEqual([]);
    await panel.page.getByRole('button', { name: /pin it/ }).click();
    await panel.page.evaluate(() => fakeHost.selectLayer('conv1'));
    await settle(panel.page);
    expect(await panel.chosen()).toBe('conv3');
    expect((await panel.requests('setPinned')).map(({ params }) => params)).toEqual([{ pinned: true }]);
    await panel.page.getByRole('button', { name: /^Pinned/ }).click();
    await panel.page.evaluate(() => fakeHost.selectLayer('pool1'));
    await settle(panel.page);
    expect(await panel.chosen()).toBe('conv3');
  });

  it('keeps interface state, and takes it up again', async () => {
    await panel.page.locator('[data-key=conv2]').click();
    await settle(panel.page);
    const state = await panel.page.evaluate(() => fakeHost.state as object);
    expect(state).toEqual({ checkpoint: inspection.checkpoint, pinned: false, selectedLayer: 'conv2' });
    await panel.reopen({ view: full, state });
    expect(await panel.chosen()).toBe('conv2');
    await panel.reopen({ view: full, state, selectedLayer: 'conv4' });
    expect(await panel.chosen()).toBe('conv4');
    await panel.reopen({ view: full, state: { selectedLayer: 7 } });
    expect(await panel.chosen()).toBe('conv1');
  });

  it('leads to the checkpoint’s errors and its report', async () => {
    await panel.page.getByRole('button', { name: 'Explain Errors' }).click();
    await panel.page.getByRole('button', { name: 'Export a report on this checkpoint' }).click();
    await settle(panel.page);
    expect((await panel.requests('act')).map(({ params }) => params)).toEqual([
      { action: 'explainErrors' },
      { action: 'exportReport' },
    ]);
  });

  it('teaches when it is empty', async () => {
    await panel.show({
      status: 'empty',
      message: 'Create a network first.',
      action: { label: 'Create a sample', command: 'createSample' },
    });
    expect(await panel.page.locator('.empty-state p').textContent()).toBe('Create a network first.');
    expect(await panel.page.getByRole('listbox').isVisible()).toBe(false);
    await panel.page.getByRole('button', { name: 'Create a sample' }).click();
    await settle(panel.page);
    expect((await panel.requests('runAction')).map(({ params }) => params)).toEqual([
      { command: 'createSample' },
    ]);
  });

  it('keeps the last picture dimmed while it measures, and can be cancelled', async () => {
    await panel.show({
      status: 'loading',
      checkpoint: 'epoch-0009',
      progress: { activity: 'Measuring conv3', done: 420, total: 1000 },
      previous: inspection,
    });
    expect(await panel.page.locator('.progress-words:visible').textContent()).toContain(
      'Measuring conv3420 of 1,000',
    );
    expect(
      await panel.page.locator('progress:visible').evaluate((bar) => (bar as HTMLProgressElement).value),
    ).toBe(0.42);
    expect(
      await panel.page.locator('.hero svg.surface').evaluate((chart) => getComputedStyle(chart).opacity),
    ).toBe('0.45');
    await panel.page.getByRole('button', { name: 'Cancel' }).click();
    await settle(panel.page);
    expect(await panel.requests('cancel')).toHaveLength(1);
    await panel.show(full);
    expect(
      await panel.page.locator('.hero svg.surface').evaluate((chart) => getComputedStyle(chart).opacity),
    ).toBe('1');
    expect(await panel.page.locator('.progress-block').first().isVisible()).toBe(false);
  });

  it('says what went wrong and keeps the picture', async () => {
    await panel.show({
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
    const alert = await panel.page.getByRole('alert').textContent();
    for (const part of ['The file is cut off.', 'Take another.', 'a.safetensors:3'])
      expect(alert).toContain(part);
    expect(await panel.page.locator('.hero svg.surface').isVisible()).toBe(true);
    await panel.page.getByRole('button', { name: 'Try again' }).click();
    await settle(panel.page);
    expect(await panel.requests('retry')).toHaveLength(1);
  });

  it('says so when even the first answer fails', async () => {
    const error = { code: 'engine', message: 'The engine ended.', remedy: 'Reload the window.' } as const;
    await panel.reopen({ view: full, failReady: error });
    expect(await panel.page.getByRole('alert').textContent()).toContain(
      'The engine ended.Reload the window.',
    );
    await panel.show(full);
    expect(await panel.page.locator('.hero svg.surface').isVisible()).toBe(true);
  });

  it('shows a request that failed, and goes on', async () => {
    await panel.page.evaluate(() => {
      fakeHost.failNext = {
        name: 'selectLayer',
        error: { code: 'io', message: 'The config is gone.', remedy: 'Put it back.' },
      };
    });
    await panel.page.locator('[data-key=conv2]').click();
    await settle(panel.page);
    expect(await panel.page.getByRole('alert').textContent()).toContain('The config is gone.Put it back.');
    expect(await panel.chosen()).toBe('conv2');
    await panel.page.getByRole('button', { name: 'Dismiss' }).click();
    expect(await panel.page.getByRole('alert').isVisible()).toBe(false);
  });
});
