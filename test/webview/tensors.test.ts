import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TensorStatistics, TensorsView } from '../../src/protocol/panels/tensors.js';
import { type OpenPanel, PanelBrowser, settle } from './support/browser.js';
import { checkStates, type State } from './support/states.js';
import { themes } from './support/themes.js';

const tensor = (name: string, ...shape: number[]) => ({
  name,
  dtype: 'F32',
  shape,
  bytes: 4 * shape.reduce((a, b) => a * b, 1),
});

const view: TensorsView = {
  status: 'full',
  file: '/project/runs/fashion-tanh/checkpoints/best.dcnet.safetensors',
  bytes: 254_120,
  tensors: [
    tensor('conv1/kernel', 3, 3, 1, 16),
    tensor('conv1/rho_root', 16),
    tensor('conv1/mean_patch_norm'),
    tensor('conv2/kernel', 3, 3, 16, 32),
    tensor('conv3/kernel', 3, 3, 64, 64),
    tensor('dense1/kernel', 64, 10),
    tensor('optimizer/m/conv3/kernel', 3, 3, 64, 64),
  ],
  unlisted: 0,
  metadata: [
    { name: 'format', value: 'dcnet-checkpoint' },
    { name: 'step', value: '632' },
    { name: 'epoch', value: '8' },
    { name: 'metrics', value: '{"testLoss":0.42,"testAccuracy":0.866}' },
    { name: 'backend', value: 'wasm' },
  ],
  configText: '{\n  // A sample.\n  "layers": [{ "type": "conv", "filters": 16 }],\n  "epochs": 8\n}\n',
  actions: ['inspectLayers', 'explainErrors', 'compareCheckpoints'],
};
const statistics: TensorStatistics = {
  count: 36_864,
  notFinite: 1,
  zeros: 12,
  finite: {
    minimum: -0.51,
    maximum: 0.48,
    mean: 0.0012,
    deviation: 0.094,
    norm: 18.1,
    histogram: {
      edges: Array.from({ length: 65 }, (_, i) => -0.51 + (0.99 * i) / 64),
      counts: Array.from({ length: 64 }, (_, i) => Math.round(2000 * Math.exp(-(((i - 33) / 9) ** 2)))),
    },
  },
};

const states: readonly State[] = [
  { name: 'tensors-full', setup: { panel: 'tensors', view, state: { selectedLayer: 'conv3/kernel' } } },
  {
    name: 'tensors-statistics',
    setup: { panel: 'tensors', view, statistics, state: { selectedLayer: 'conv3/kernel' } },
    prepare: async (page) => {
      await page.getByRole('button', { name: 'Compute Statistics' }).click();
      await settle(page);
    },
  },
  {
    name: 'tensors-foreign',
    setup: {
      panel: 'tensors',
      view: {
        ...view,
        file: '/models/llm.safetensors',
        bytes: 16_060_556_376,
        metadata: [],
        actions: [],
        configText: undefined,
        tensors: [
          { name: 'model.embed_tokens.weight', dtype: 'BF16', shape: [128256, 4096], bytes: 1_050_673_152 },
          { name: 'model.positions', dtype: 'F16', shape: [2000, 40, 64], bytes: 10_240_000 },
        ],
        unlisted: 289,
      },
      state: { selectedLayer: 'model.positions' },
    },
    themes: themes.slice(0, 2),
  },
  {
    name: 'tensors-error',
    setup: {
      panel: 'tensors',
      view: {
        status: 'error',
        error: {
          code: 'checkpoint',
          message: 'The tensors end at byte 1,200, but the file has 900 bytes of them.',
          remedy: 'The file is damaged or not a checkpoint: use another copy.',
          file: '/project/runs/a/checkpoints/best.dcnet.safetensors',
        },
      },
    },
  },
];

checkStates(states);

vi.setConfig({ testTimeout: 30_000 });

describe('the editor of tensors', () => {
  let browser: PanelBrowser;
  let panel: OpenPanel;

  beforeAll(async () => {
    browser = await PanelBrowser.start();
  }, 60_000);
  afterAll(() => browser?.stop());
  beforeEach(async () => {
    panel = await browser.open({ panel: 'tensors', view, statistics });
  }, 30_000);
  afterEach(async () => {
    expect(panel.complaints).toEqual([]);
    await panel.close();
  });
  const requests = (name: string) =>
    panel.page.evaluate(
      (wanted) => fakeHost.requests.filter((request) => request.name === wanted).map(({ params }) => params),
      name,
    );

  it('asks for a page at a time, where the pickers and buttons say', async () => {
    const { page } = panel;
    await page.locator('[data-key="conv3/kernel"]').click();
    await page.getByLabel('axis 1 of 4').selectOption('2');
    await page.getByRole('button', { name: 'Rows after' }).click();
    await page.getByRole('button', { name: 'Columns after' }).click();
    await settle(page);
    expect(await requests('page')).toEqual([
      { tensor: 'conv1/kernel', leading: [0, 0], row: 0, column: 0 },
      { tensor: 'conv3/kernel', leading: [0, 0], row: 0, column: 0 },
      { tensor: 'conv3/kernel', leading: [2, 0], row: 0, column: 0 },
      { tensor: 'conv3/kernel', leading: [2, 0], row: 50, column: 0 },
      { tensor: 'conv3/kernel', leading: [2, 0], row: 50, column: 20 },
    ]);
    expect(await page.locator('.where').textContent()).toBe('rows 50 to 63 of 64, columns 20 to 39 of 64');
    expect(await page.locator('.page tbody tr').count()).toBe(14);
    const first = page.locator('.page tbody tr').first();
    expect(await first.locator('th').textContent()).toBe('50');
    expect(await first.locator('td').first().textContent()).toBe('−1.50');
    expect(await page.getByRole('button', { name: 'Rows after' }).isDisabled()).toBe(true);
  });

  it('computes statistics when it is asked to, and says what it found', async () => {
    const { page } = panel;
    expect(await requests('statistics')).toEqual([]);
    await page.getByRole('button', { name: 'Compute Statistics' }).click();
    await settle(page);
    expect(await requests('statistics')).toEqual([{ tensor: 'conv1/kernel' }]);
    const facts = await page.locator('.facts').first().textContent();
    for (const part of ['36,864', '−0.51', 'not finite1']) expect(facts).toContain(part);
    expect(await page.locator('.progress-block').isVisible()).toBe(false);
  });

  it('has a button for each thing that can be done, and none for what cannot', async () => {
    const { page } = panel;
    await page.getByRole('button', { name: 'Compare with…' }).click();
    await page.getByRole('button', { name: 'Explain Errors' }).click();
    await page.getByRole('button', { name: 'Open Config' }).click();
    await settle(page);
    expect(await requests('act')).toEqual([{ action: 'compareCheckpoints' }, { action: 'explainErrors' }]);
    expect(await requests('openConfig')).toHaveLength(1);
    await page.evaluate((next) => fakeHost.show(next), { ...view, actions: [] });
    await settle(page);
    expect(await page.getByRole('button', { name: 'Compare with…' }).isVisible()).toBe(false);
  });

  it('says what went wrong, and goes on', async () => {
    const { page } = panel;
    await page.evaluate(() => {
      fakeHost.failNext = {
        name: 'page',
        error: {
          code: 'checkpoint',
          message: 'The file ends before its tensors do.',
          remedy: 'Use another copy.',
        },
      };
    });
    await page.locator('[data-key="dense1/kernel"]').click();
    await settle(page);
    expect(await page.getByRole('alert').textContent()).toContain('The file ends before its tensors do.');
    await page.getByRole('button', { name: 'Dismiss' }).click();
    await page.locator('[data-key="conv2/kernel"]').click();
    await settle(page);
    expect(await page.locator('.where').textContent()).toContain('of 32');
  });
});
