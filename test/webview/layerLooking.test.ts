import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { LayerView } from '../../src/protocol/panels/layer.js';
import { PanelBrowser, settle } from './support/browser.js';
import { mark, markPoints, readAxis } from './support/geometry.js';
import { makeAngles, makeEpochs, makeImages, makeMaps, makeSecond } from './support/layerExtras.js';
import { LayerPage } from './support/layerPage.js';
import { makeInspection } from './support/layers.js';

const inspection = makeInspection();
const full: LayerView = { status: 'full', inspection };

vi.setConfig({ testTimeout: 30_000 });

describe('looking closer in the layer panel', () => {
  let browser: PanelBrowser;
  let panel: LayerPage;
  const open = async (setup: Partial<Parameters<typeof LayerPage.open>[1]> = {}): Promise<void> => {
    panel = await LayerPage.open(browser, { view: full, ...setup });
  };
  const asked = async (name: string): Promise<unknown[]> =>
    (await panel.requests(name)).map(({ params }) => params);

  beforeAll(async () => {
    browser = await PanelBrowser.start();
  }, 60_000);
  afterAll(() => browser?.stop());
  afterEach(() => panel.close());

  it('asks for the images of a class, or for those that went wrong, and says which are shown', async () => {
    await open();
    await panel.page.getByRole('combobox', { name: 'class' }).selectOption('shirt');
    await panel.page.getByRole('combobox', { name: 'images' }).selectOption({ index: 2 });
    await settle(panel.page);
    expect(await asked('select')).toEqual([{ label: 6 }, { label: 6, outcome: 'wrong' }]);
    const selection = { label: 6, outcome: 'wrong' } as const;
    await panel.show({
      status: 'full',
      inspection: { ...inspection, sampleSize: 35, accuracy: 0, selection },
    });
    expect(await panel.page.locator('h1').textContent()).toContain('class shirt, wrong ones only · n = 35');
    expect(await panel.page.getByRole('combobox', { name: 'class' }).inputValue()).toBe('6');
    expect(
      await panel.page.getByRole('combobox', { name: 'images' }).locator('option').allTextContents(),
    ).toEqual(['all 100', 'right 65', 'wrong 35']);
    expect(await panel.page.evaluate(() => fakeHost.state)).toMatchObject({
      selection: { outcome: 'wrong' },
    });
  });

  it('draws a second checkpoint dashed in the same charts, on one scale', async () => {
    const second = makeSecond(inspection);
    await open({ second: { status: 'full', inspection: second } });
    await settle(panel.page);
    const normOf = await readAxis(panel.page, 'norm', 'x1');
    const { radius } = second.layers[0]!;
    const mean = radius!.reduce((a, b) => a + b, 0) / radius!.length;
    expect(normOf(Number(await mark(panel.page, 'radius-second').getAttribute('x1')))).toBeCloseTo(mean, 2);
    // Bins 1.15 times as wide, with the same counts: the peak is that much lower.
    const outline = await markPoints(panel.page, 'norm-second');
    const shape = await markPoints(panel.page, 'norm-density');
    const base = Number(await mark(panel.page, 'norm-base').getAttribute('y1'));
    const rise = (points: readonly (readonly [number, number])[]): number =>
      base - Math.min(...points.map(([, y]) => y));
    expect(rise(shape) / rise(outline)).toBeCloseTo(1.15, 1);
    expect(await panel.page.locator('.hero .legend').textContent()).toContain('B: fashion-ball epoch-0004');
    expect(await panel.page.locator('.layer-row [data-mark=second]').count()).toBe(10);
    expect(await panel.page.evaluate(() => fakeHost.state)).toMatchObject({
      second: second.checkpoint,
    });
    await panel.page.getByRole('button', { name: /^Stop comparing/ }).click();
    await settle(panel.page);
    expect(await asked('stopComparing')).toHaveLength(1);
  });

  it('lets the user pick the second, and tells how far its measuring is', async () => {
    const progress = { activity: 'Measuring norms and angles', done: 200, total: 1000 };
    await open({ second: { status: 'loading', checkpoint: 'epoch-0004.dcnet.safetensors', progress } });
    await settle(panel.page);
    expect(await panel.page.locator('.progress-words:visible').textContent()).toContain(
      'B, epoch-0004: Measuring norms and angles200 of 1,000',
    );
    await panel.page.getByRole('button', { name: 'Compare with another checkpoint or run' }).click();
    await settle(panel.page);
    expect(await asked('compare')).toHaveLength(1);
  });

  it('moves the radius by keyboard, and shows what would come out', async () => {
    await open();
    const slider = panel.page.getByRole('slider', { name: 'Radius' });
    await slider.focus();
    for (let i = 0; i < 20; i++) await panel.page.keyboard.press('ArrowRight');
    const normOf = await readAxis(panel.page, 'norm', 'x1');
    const moved = Number(await mark(panel.page, 'radius-moved').getAttribute('data-value'));
    expect(normOf(Number(await mark(panel.page, 'radius-moved').getAttribute('x1')))).toBeCloseTo(moved, 2);
    const h = await markPoints(panel.page, 'h-moved');
    const hOf = await readAxis(panel.page, 'h', 'y1');
    for (const [x, y] of h) expect(hOf(y)).toBeCloseTo(Math.tanh(normOf(x) / moved), 1);
    expect(await panel.page.locator('[data-mark=other-0]').count()).toBe(1);
    // The handle stands under the hairline.
    const box = (await slider.boundingBox())!;
    const share = Number(await slider.inputValue()) / 200;
    const plot = (await panel.page.locator('.hero svg.surface').boundingBox())!;
    const x = Number(await mark(panel.page, 'radius-moved').getAttribute('x1'));
    expect(Math.abs(box.x + 8 + share * (box.width - 16) - (plot.x + x))).toBeLessThan(2);
    await panel.page.getByRole('button', { name: /^Put back/ }).click();
    await settle(panel.page);
    expect(await panel.page.locator('[data-mark=radius-moved]').count()).toBe(0);
  });

  it('searches filters by number and by column', async () => {
    await open();
    const rows = panel.page.locator('.block', { hasText: 'filters; ' }).locator('tbody tr');
    const search = panel.page.getByRole('searchbox');
    expect(await rows.count()).toBe(16);
    await search.fill('12');
    expect(await rows.count()).toBe(1);
    await search.fill('dead > 50');
    const dead = inspection.layers[0]!.deadShares.filter((share) => share > 0.5).length;
    expect(await rows.count()).toBe(dead);
    await search.fill('w < 1');
    expect(await rows.count()).toBe(inspection.layers[0]!.weightNorms.filter((norm) => norm < 1).length);
    await search.fill('nonsense > 1');
    expect(await panel.page.getByRole('status').filter({ hasText: 'No filter fits' }).isVisible()).toBe(true);
  });

  it('shows the matrix of angles when it is asked for', async () => {
    await open({ angles: makeAngles() });
    expect(await asked('filterAngles')).toEqual([]);
    await panel.page.getByRole('button', { name: 'Show the angles between filters' }).click();
    const chart = panel.page.getByRole('region', { name: 'Angles between filters' });
    await chart.locator('svg.surface').waitFor();
    expect(await asked('filterAngles')).toEqual([{ layer: 'conv1' }]);
    // Pair 20 of the upper triangle is filters 1 and 7, set to 21°.
    expect(await chart.locator('svg.surface').getAttribute('aria-label')).toContain(
      'filters 1 and 7, at 21.0°',
    );
    await chart.getByRole('button', { name: 'Show as table' }).click();
    expect(await chart.locator('tbody tr').count()).toBe(120);
    expect(await chart.locator('tbody tr').first().textContent()).toBe('1721.00°');
  });

  it('maps a filter over an image, and goes through images by keyboard', async () => {
    const maps = makeMaps();
    await open({ images: makeImages(), maps });
    await panel.page.getByRole('button', { name: 'Show images' }).click();
    const strip = panel.page.getByRole('listbox', { name: 'Images' });
    await strip.waitFor();
    await panel.page.locator('.block', { hasText: 'On an image' }).locator('svg.surface').waitFor();
    await strip.focus();
    await panel.page.keyboard.press('ArrowRight');
    await settle(panel.page);
    expect(await asked('imageMaps')).toEqual([
      { index: 0, layer: 'conv1', filter: 0 },
      { index: 1, layer: 'conv1', filter: 0 },
    ]);
    const chart = panel.page.locator('.chart', { hasText: 'over image' });
    await chart.locator('svg.surface').focus();
    await panel.page.keyboard.press('Home');
    const spoken = (await chart.locator('[role=status]').textContent()) ?? '';
    const strongest = maps.response.indexOf(Math.max(...maps.response));
    const at = Math.floor(strongest / 28) * 28;
    expect(spoken).toContain(`row, column ${Math.floor(strongest / 28)}, 0`);
    expect(spoken).toContain(`θ ${Number(maps.angle[at]!.toPrecision(7))}°`);
    expect(await panel.page.evaluate(() => fakeHost.state)).toMatchObject({ image: 1 });
  });

  it('takes up filter and image after a reload', async () => {
    await open({
      images: makeImages(),
      maps: makeMaps(),
      state: { selectedLayer: 'conv2', filter: 5, image: 17 },
    });
    await panel.page.locator('.chart', { hasText: 'over image' }).locator('svg.surface').waitFor();
    expect(await asked('imageMaps')).toEqual([{ index: 17, layer: 'conv2', filter: 5 }]);
    expect(await panel.page.locator('.hero .legend').textContent()).toContain('filter 5');
  });

  it('goes through the run’s checkpoints, and measures those that are missing', async () => {
    const epochs = makeEpochs(inspection, 'conv1', 3);
    await open({ epochs });
    const chart = panel.page.getByRole('region', { name: 'conv1 over the run' });
    await chart.locator('svg.surface').waitFor();
    expect(await chart.locator('.area.norm.ridge').count()).toBe(4);
    const block = panel.page.locator('.block', { hasText: 'Over the run' });
    expect(await block.textContent()).toContain('4 of 8 checkpoints are not measured yet');
    await block.getByRole('button', { name: 'Measure them' }).click();
    await settle(panel.page);
    expect(await asked('measureEpochs')).toHaveLength(1);
    const slider = panel.page.getByRole('slider', { name: 'Checkpoint' });
    expect(await slider.inputValue()).toBe('7');
    await slider.focus();
    await panel.page.keyboard.press('ArrowLeft');
    await settle(panel.page);
    expect(await asked('openCheckpoint')).toEqual([{ checkpoint: epochs[6]!.checkpoint }]);
  });
});
