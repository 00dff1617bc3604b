import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DiffView } from '../../src/protocol/panels/diff.js';
import { type OpenPanel, PanelBrowser, settle } from './support/browser.js';
import { behaviour, fullComparison, otherNetwork, sameNetwork } from './support/comparisons.js';

const full: DiffView = { status: 'full', comparison: fullComparison };

// Pages open slowly where several tests share few cores.
vi.setConfig({ testTimeout: 30_000 });

describe('the diff panel’s manners', () => {
  let browser: PanelBrowser;
  let panel: OpenPanel;

  beforeAll(async () => {
    browser = await PanelBrowser.start();
  }, 60_000);
  afterAll(() => browser?.stop());
  beforeEach(async () => {
    panel = await browser.open({ panel: 'diff', view: full });
  }, 30_000);
  afterEach(async () => {
    expect(panel.complaints).toEqual([]);
    await panel.close();
  });
  const show = async (view: DiffView): Promise<void> => {
    await panel.page.evaluate((next) => fakeHost.show(next), view);
    await settle(panel.page);
  };
  const requests = (name: string) =>
    panel.page.evaluate(
      (wanted) => fakeHost.requests.filter((request) => request.name === wanted).map(({ params }) => params),
      name,
    );
  const listed = () =>
    panel.page
      .locator('[role=option]')
      .evaluateAll((rows) => rows.map((row) => row.getAttribute('data-key')));

  it('sorts layers by how much they moved, or as it is told', async () => {
    const moved = [...sameNetwork.layers].sort((x, y) => y.movement! - x.movement!).map(({ a }) => a);
    expect(await listed()).toEqual(moved);
    await panel.page.getByLabel('Sort by').selectOption('network');
    expect(await listed()).toEqual(sameNetwork.layers.map(({ a }) => a));
    await panel.page.getByLabel('Sort by').selectOption('rescaling');
    expect((await listed())[0]).toBe('scores');
    const names = await panel.page
      .locator('.moved svg.surface [data-mark$="-name"]')
      .evaluateAll((marks) => marks.map(({ textContent }) => textContent));
    expect(names).toEqual(await listed());
  });

  it('shows the chosen layer’s filters, which can be sorted, and both densities with their distance', async () => {
    await panel.page.locator('[data-key=conv2]').click();
    await settle(panel.page);
    const conv2 = sameNetwork.layers[1]!;
    const table = panel.page.getByRole('region', { name: /^32 filters of A/ });
    expect(await table.locator('tbody tr').count()).toBe(32);
    await table.getByRole('button', { name: 'rotation' }).click();
    await table.getByRole('button', { name: 'rotation' }).click();
    const largest = conv2.filters!.rotation.indexOf(Math.max(...(conv2.filters!.rotation as number[])));
    expect(await table.locator('tbody tr th').first().textContent()).toBe(String(largest));
    const distances = await panel.page.locator('[data-mark$="-distance"]').allTextContents();
    const { norm, angle } = behaviour.layers[1]!;
    expect(Number(/distance ([\d.]+)/.exec(distances[0]!)![1])).toBeCloseTo(norm.distance!, 2);
    expect(Number(/distance ([\d.]+)°/.exec(distances[1]!)![1])).toBeCloseTo(angle.distance!, 2);
    expect(await panel.page.evaluate(() => fakeHost.state)).toEqual({
      checkpoint: sameNetwork.a.file,
      second: sameNetwork.b.file,
      selectedLayer: 'conv2',
    });
  });

  it('keeps the weights in sight while both networks run, and after that failed', async () => {
    const progress = { activity: 'Running both networks', done: 400, total: 1000 };
    await show({
      status: 'full',
      comparison: { weights: sameNetwork, behaviour: { status: 'loading', progress } },
    });
    expect(await panel.page.locator('.progress-words').textContent()).toContain(
      'Running both networks400 of 1,000',
    );
    expect(await panel.page.locator('.moved svg.surface').first().isVisible()).toBe(true);
    await panel.page.getByRole('button', { name: 'Cancel' }).click();
    const error = {
      code: 'data',
      message: 'The data set’s folder does not exist.',
      remedy: 'Put it back.',
    } as const;
    await show({
      status: 'full',
      comparison: { weights: sameNetwork, behaviour: { status: 'error', error } },
    });
    expect(await panel.page.getByRole('alert').textContent()).toContain(
      'The data set’s folder does not exist.',
    );
    await panel.page.getByRole('button', { name: 'Try again' }).click();
    await settle(panel.page);
    expect([await requests('cancel'), await requests('retry')]).toEqual([[{}], [{}]]);
  });

  it('says what has no counterpart, and why there is nothing to run', async () => {
    const reason = 'A knows 10 classes and B 100, so there is no data to judge both by.';
    await show({
      status: 'full',
      comparison: { weights: otherNetwork, behaviour: { status: 'none', reason } },
    });
    const text = await panel.page.locator('main').innerText();
    for (const part of [reason, 'only in A: no counterpart', 'only in B: no counterpart', 'conv3 → middle'])
      expect(text).toContain(part);
    await panel.page.locator('[data-key=conv4]').click();
    expect(await panel.page.locator('main').innerText()).toContain(
      'a filter is 3 × 3 × 64 in A and 3 × 3 × 96 in B',
    );
    await panel.page.getByRole('button', { name: 'Open Configs Side by Side' }).click();
    await settle(panel.page);
    expect(await requests('openConfigDiff')).toHaveLength(1);
  });

  it('swaps, opens either side’s layers, teaches when it is empty, and exports the numbers', async () => {
    await panel.page.getByRole('button', { name: 'Swap A and B' }).click();
    await panel.page.getByRole('button', { name: 'Inspect the layers of B' }).click();
    await panel.page.getByRole('button', { name: 'Export the whole comparison' }).click();
    await settle(panel.page);
    expect([await requests('swap'), await requests('inspect')]).toEqual([[{}], [{ side: 'b' }]]);
    const [saved] = (await requests('saveFile')) as { suggestedName: string; content: string }[];
    expect(saved!.suggestedName).toBe('epoch-0002-epoch-0008-comparison.json');
    expect(JSON.parse(saved!.content)).toEqual({ weights: sameNetwork, behaviour });
    await show({ status: 'empty', message: 'Choose two.' });
    expect(await panel.page.locator('.empty-state p').textContent()).toBe('Choose two.');
    await panel.page.getByRole('button', { name: 'Compare Checkpoints…' }).click();
    await settle(panel.page);
    expect(await requests('pick')).toHaveLength(1);
  });
});
