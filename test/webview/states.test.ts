import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runStatuses } from '../../src/core/run/run.js';
import { keepPicture, PanelBrowser, settle } from './support/browser.js';
import type { Setup } from './support/fakeHost.js';
import { makeDeadLayer, makeInspection, makePeakedLayer } from './support/layers.js';
import { makeTrainingView } from './support/runs.js';
import { type Theme, themes } from './support/themes.js';

const inspection = makeInspection();
const progress = { activity: 'Measuring conv3', done: 420, total: 1000 };

interface State {
  readonly name: string;
  readonly setup: Setup;
  /** Left out: all of them. */
  readonly themes?: readonly Theme[];
  readonly prepare?: (page: Page) => Promise<void>;
}

const layerStates: readonly State[] = [
  {
    name: 'layer-empty',
    setup: {
      panel: 'layer',
      view: {
        status: 'empty',
        message: 'Train a network to see what each of its layers does to its data.',
        action: { label: 'Train DCNet', command: 'train' },
      },
    },
  },
  {
    name: 'layer-loading-first',
    setup: { panel: 'layer', view: { status: 'loading', checkpoint: 'epoch-0008', progress } },
  },
  {
    name: 'layer-loading',
    setup: {
      panel: 'layer',
      view: { status: 'loading', checkpoint: 'epoch-0009', progress, previous: inspection },
    },
  },
  {
    name: 'layer-error',
    setup: {
      panel: 'layer',
      view: {
        status: 'error',
        previous: inspection,
        error: {
          code: 'checkpoint',
          message: 'The checkpoint ends in the middle of tensor conv2/kernel.',
          remedy: 'Take another checkpoint of the run, or train it again.',
          file: 'runs/fashion-tanh/checkpoints/epoch-0009.dcnet.safetensors',
        },
      },
    },
  },
  { name: 'layer-full', setup: { panel: 'layer', view: { status: 'full', inspection } } },
  ...inspection.layers.slice(1).map(
    (layer): State => ({
      name: `layer-full-${layer.name}`,
      setup: {
        panel: 'layer',
        view: { status: 'full', inspection },
        selectedLayer: layer.name,
        pinned: true,
      },
      themes: themes.filter(({ name }) => name === 'dark' || name === 'contrast-light'),
    }),
  ),
  {
    name: 'layer-peaked',
    setup: {
      panel: 'layer',
      view: { status: 'full', inspection: { ...inspection, layers: [makePeakedLayer()] } },
    },
    themes: themes.filter(({ name }) => name === 'light' || name === 'contrast-dark'),
  },
  {
    name: 'layer-dead',
    setup: {
      panel: 'layer',
      view: { status: 'full', inspection: { ...inspection, layers: [makeDeadLayer()] } },
    },
    themes: themes.slice(0, 1),
  },
  {
    name: 'layer-table',
    setup: { panel: 'layer', view: { status: 'full', inspection } },
    prepare: (page) => page.getByRole('button', { name: 'Show as table' }).click(),
  },
  {
    name: 'layer-cursor',
    setup: { panel: 'layer', view: { status: 'full', inspection } },
    prepare: async (page) => {
      await page.getByRole('listbox').focus();
      for (let i = 0; i < 4; i++) await page.keyboard.press('Tab');
      await page.keyboard.press('ArrowRight');
    },
  },
];

const trainingStates: readonly State[] = [
  ...runStatuses.map(
    (status): State => ({
      name: `training-${status}`,
      setup: { panel: 'training', view: makeTrainingView(status) },
    }),
  ),
  {
    name: 'training-table',
    setup: { panel: 'training', view: makeTrainingView('completed') },
    prepare: (page) => page.getByRole('button', { name: 'Show as table' }).click(),
  },
  {
    name: 'training-cursor',
    setup: { panel: 'training', view: makeTrainingView('completed') },
    prepare: async (page) => {
      const box = await page.locator('svg.surface').boundingBox();
      if (box) await page.mouse.move(box.x + box.width * 0.4, box.y + 90);
    },
  },
];

/** Findings that keep somebody from using the panel. */
async function barriers(page: Page): Promise<readonly string[]> {
  const results = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<AxeResults> } };
    return axe.run();
  });
  return results.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(' | ')}`,
    );
}

describe('every state in every theme', () => {
  let browser: PanelBrowser;
  let axeSource: string;

  beforeAll(async () => {
    browser = await PanelBrowser.start();
    axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  }, 60_000);
  afterAll(() => browser?.stop());

  it.each([...layerStates, ...trainingStates])(
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
        expect(await barriers(page), `${name} in ${theme.name}`).toEqual([]);
        await page.setViewportSize({ width: 420, height: 900 });
        await settle(page);
        await keepPicture(page, `${name}.${theme.name}.narrow`);
        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        expect(overflow, `${name} at 420 px`).toBeLessThanOrEqual(0);
      }
      const pictures = await page.locator('svg').evaluateAll((all) => all.map((svg) => svg.outerHTML).join());
      expect(/.{40}(NaN|Infinity|undefined).{20}/.exec(pictures)).toBeNull();
      expect(complaints).toEqual([]);
      await close();
    },
    120_000,
  );
});
