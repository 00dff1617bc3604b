import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { MetricsRecord } from '../../src/core/run/run.js';
import type { Inspection, LayerInspection } from '../../src/core/statistics/inspection.js';
import type { TrainingView } from '../../src/protocol/panels/training.js';
import { PanelBrowser } from './support/browser.js';
import { fullComparison } from './support/comparisons.js';
import { makeErrors } from './support/errors.js';
import type { Setup } from './support/fakeHost.js';
import { makeInspection } from './support/layers.js';
import { makeTrainingView } from './support/runs.js';

vi.setConfig({ testTimeout: 60_000 });

/** As many records as a panel ever gets. */
function longTraining(): TrainingView {
  const view = makeTrainingView('running');
  const metrics = Array.from(
    { length: 2000 },
    (_, i): MetricsRecord => ({
      type: 'step',
      step: 20 * (i + 1),
      epoch: 1 + Math.floor(i / 100),
      loss: 2 / (1 + i / 50),
      accuracy: 1 - 0.9 / (1 + i / 50),
      learningRate: 0.1,
      imagesPerSecond: 900,
      seconds: i,
    }),
  );
  return { ...view, metrics, state: { ...view.state, step: 40_000, totalSteps: 40_000 } };
}

/** Twenty layers of 256 filters. */
function wideInspection(): Inspection {
  const inspection = makeInspection();
  const [layer] = inspection.layers as [LayerInspection];
  const many = (values: readonly number[]): number[] =>
    Array.from({ length: 256 }, (_, i) => values[i % values.length]!);
  const wide = {
    ...layer,
    filters: 256,
    weightNorms: many(layer.weightNorms),
    rho: many(layer.rho!),
    radius: many(layer.radius!),
  };
  return { ...inspection, layers: Array.from({ length: 20 }, (_, i) => ({ ...wide, name: `conv${i}` })) };
}

/** Milliseconds from a snapshot's arrival until the page is redrawn, the median of nine. */
async function redraw(page: Page, views: readonly [unknown, unknown]): Promise<number> {
  return page.evaluate(async ([one, other]) => {
    const times: number[] = [];
    for (let i = 0; i < 9; i++) {
      const drawn = new Promise<number>((resolve) => {
        let start = 0;
        const begin = (): void => {
          start = performance.now();
        };
        // Runs after the panel's own listener, and its timer after the channel's.
        const end = (): void => {
          setTimeout(() => resolve(performance.now() - start));
        };
        window.addEventListener('message', begin, { once: true, capture: true });
        window.addEventListener('message', end, { once: true });
      });
      const before = document.querySelector('h1')?.textContent;
      fakeHost.show(i % 2 === 0 ? other : one);
      times.push(await drawn);
      if (document.querySelector('h1')?.textContent === before) throw new Error('Not drawn yet');
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    return times.sort((a, b) => a - b)[4]!;
  }, views);
}

/** Milliseconds from the start of loading a panel whose picture is stored until it is drawn, the median of five. */
async function firstPaint(page: Page): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    await page.reload();
    times.push(await page.evaluate(() => globalThis.drawnAt));
  }
  return times.sort((a, b) => a - b)[2]!;
}

/** Note when the first large chart stands on the page; of every document that the page loads. */
function watchForPicture(): void {
  globalThis.drawnAt = new Promise((resolve) => {
    const look = (): void => {
      const drawn = document.querySelector('.hero svg.surface > *');
      if (drawn) requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
      else requestAnimationFrame(look);
    };
    look();
  });
}

declare global {
  var drawnAt: Promise<number>;
}

// Reported, not asserted: how long it takes depends on what else the machine does.
describe('the time a snapshot takes', () => {
  let browser: PanelBrowser;
  const times: Record<string, number> = {};

  beforeAll(async () => {
    browser = await PanelBrowser.start();
  }, 60_000);
  afterAll(async () => {
    await browser?.stop();
    const folder = path.join(process.env.DCNET_TEST_OUTPUT ?? '.test-output', 'webview');
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'milliseconds.json'), `${JSON.stringify(times, undefined, 2)}\n`);
  });

  it('is measured for 2,000 records', async () => {
    const view = longTraining();
    const { page, close } = await browser.open({ panel: 'training', view });
    times['training, 2,000 records'] = await redraw(page, [
      view,
      { ...view, state: { ...view.state, name: 'other' } },
    ]);
    const line = await page.locator('[data-mark="train-loss"]').getAttribute('d');
    expect(line?.split('L')).toHaveLength(2000);
    await close();
  });

  it('is measured for 20 layers of 256 filters', async () => {
    const view = { status: 'full', inspection: wideInspection() } as const;
    const { page, close } = await browser.open({ panel: 'layer', view });
    times['layer, 20 layers of 256 filters'] = await redraw(page, [
      view,
      { status: 'full', inspection: { ...view.inspection, backend: 'other' } },
    ]);
    expect(await page.locator('[role=option]').count()).toBe(20);
    await close();
  });

  it.each<Setup>([
    { panel: 'layer', view: { status: 'full', inspection: wideInspection() } },
    { panel: 'errors', view: { status: 'full', picture: { analysis: makeErrors({ images: 10_000 }) } } },
    { panel: 'diff', view: { status: 'full', comparison: fullComparison } },
  ])('is measured from the start of loading the $panel panel', async (setup) => {
    const { page, close } = await browser.open(setup);
    await page.addInitScript(watchForPicture);
    times[`${setup.panel}, first paint`] = await firstPaint(page);
    await close();
  });
});
