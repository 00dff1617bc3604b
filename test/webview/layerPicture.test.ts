import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LayerInspection } from '../../src/core/statistics/inspection.js';
import type { LayerView } from '../../src/protocol/panels/layer.js';
import { PanelBrowser, settle } from './support/browser.js';
import { mark, markPoints, readAxis } from './support/geometry.js';
import { LayerPage } from './support/layerPage.js';
import { makeDeadLayer, makeInspection, makePeakedLayer } from './support/layers.js';

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

describe('the layer panel’s picture', () => {
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

  it('draws the norm in an opaque hue, also where the theme’s orange is see-through', async () => {
    const lines = panel.page.locator('svg .line.norm');
    expect(await lines.count()).toBeGreaterThan(0);
    const strokes = await lines.evaluateAll((found) => found.map((line) => getComputedStyle(line).stroke));
    for (const stroke of strokes) expect(stroke).toMatch(/^(rgb\(|color\(srgb [^/]*\)$)/);
  });

  it('says what is looked at', async () => {
    expect(await panel.page.locator('h1').textContent()).toBe(
      'fashion-tanhepoch-0008test split · n = 1,000 · wasm · accuracy 86.6 %',
    );
  });

  it('lists the layers with their shares beyond the radius', async () => {
    const rows = await panel.page.locator('[role=option]').allTextContents();
    expect(rows).toHaveLength(5);
    inspection.layers.forEach(({ name, regimes }, i) => {
      expect(rows[i]).toContain(name);
      const beyond = regimes?.find((regime) => regime.name === 'beyond the radius');
      expect(rows[i]).toContain(beyond ? `${(beyond.share * 100).toFixed(1)} % beyond R` : 'no radius');
    });
  });

  it('shows the fixture’s regime shares, counts and floor', async () => {
    const evidence = await panel.page.locator('.evidence').textContent();
    const [below, beyond] = layerNamed('conv1').regimes!;
    expect(evidence).toContain(`${(below!.share * 100).toFixed(1)} % below the radius`);
    expect(evidence).toContain(`${(beyond!.share * 100).toFixed(1)} % beyond the radius`);
    expect(evidence).toContain('120,000');
    expect(evidence).toContain(`312,448 (${((312_448 / 432_448) * 100).toFixed(1)} %), ‖x‖ under 0.01`);
    const bars = await panel.page
      .locator('.regime-bar.wide rect')
      .evaluateAll((rects) => rects.map((rect) => Number(rect.getAttribute('width'))));
    expect(bars[0]! / (bars[0]! + bars[1]!)).toBeCloseTo(below!.share, 3);
  });

  it('says whether ρ or R is shown, and how the radius is made', async () => {
    expect(await panel.page.locator('.radius-words').textContent()).toMatch(
      /radius in use R = ρ·E‖x‖ \(adaptive radius\)/,
    );
    expect(await panel.page.locator('.hero .legend').textContent()).toContain(
      'radius in use R = ρ·E‖x‖ (adaptive)',
    );
    await panel.page.locator('[data-key=conv4]').click();
    expect(await panel.page.locator('.radius-words').textContent()).toMatch(
      /the learned ρ itself \(fixed radius\)/,
    );
    expect(await panel.page.locator('.hero .legend').textContent()).toContain('radius in use R = ρ (fixed)');
    await panel.page.locator('[data-key=scores]').click();
    expect(await panel.page.locator('.radius-words').textContent()).toMatch(/no radius/);
    expect(await panel.page.locator('.formulas').textContent()).toContain('h = ‖w‖‖x‖');
  });

  it('has the fixture’s statistics in its table', async () => {
    const rows = await panel.page
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
      const points = await markPoints(panel.page, key);
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
    await panel.page.locator(`[data-key=${name}]`).click();
    await settle(panel.page);
    const [normOf, hOf, angleOf, gOf] = await Promise.all([
      readAxis(panel.page, 'norm', 'x1'),
      readAxis(panel.page, 'h', 'y1'),
      readAxis(panel.page, 'angle', 'y1'),
      readAxis(panel.page, 'g', 'x1'),
    ]);
    const h = await markPoints(panel.page, 'h-line');
    const largest = Math.max(...h.map(([, y]) => hOf(y)));
    expect(h.length).toBeGreaterThan(100);
    for (const [x, y] of h) {
      expect(Math.abs(hOf(y) - magnitudes[name]!(normOf(x), layer)) / largest).toBeLessThan(0.003);
    }
    const g = await markPoints(panel.page, 'g-line');
    expect(g).toHaveLength(121);
    for (const [x, y] of g) expect(Math.abs(gOf(x) - angulars[name]!(angleOf(y), layer))).toBeLessThan(0.003);
  });

  it('marks the radius, and every filter’s own', async () => {
    const { radius } = layerNamed('conv1');
    const normOf = await readAxis(panel.page, 'norm', 'x1');
    expect(normOf(Number(await mark(panel.page, 'radius').getAttribute('x1')))).toBeCloseTo(mean(radius!), 2);
    expect(await mark(panel.page, 'radius-value').textContent()).toBe(`R ${mean(radius!).toPrecision(3)}`);
    expect(await panel.page.locator('svg.surface .filter-tick').count()).toBe(16);
  });

  it('cuts a peak that would flatten everything else, and says how high it is', async () => {
    const peaked = makePeakedLayer();
    await panel.show({ status: 'full', inspection: { ...inspection, layers: [peaked] } });
    for (const [kind, bin] of [
      ['norm', 70],
      ['angle', 95],
    ] as const) {
      const { edges, counts } = peaked[kind].histogram;
      const share = counts[bin]! / counts.reduce((sum, value) => sum + value, 0);
      expect(share).toBeGreaterThan(0.29);
      expect(await panel.page.locator(`[data-mark^="${kind}-cut-label-"]`).allTextContents()).toEqual([
        `${(share * 100).toFixed(1)} %`,
      ]);
      expect(await mark(panel.page, `${kind}-cut-${edges[bin]}`).count()).toBe(1);
    }
  });

  it('claims no numbers for a layer without a measured patch', async () => {
    await panel.show({ status: 'full', inspection: { ...inspection, layers: [makeDeadLayer()] } });
    expect(await panel.page.locator('[role=option]').textContent()).toContain('nothing measured');
    expect(await panel.page.locator('.regime-bar.wide').isVisible()).toBe(false);
    const statistics = panel.page.locator('.block:has(h2:text-is("Statistics")) tbody td');
    expect(new Set(await statistics.allTextContents())).toEqual(new Set(['–']));
    expect(await panel.page.locator('.evidence').textContent()).toContain('784,000 (100 %)');
  });

  it('shades the joint density by the counts', async () => {
    const cells = await panel.page.locator('svg.surface .cell').evaluateAll((paths) =>
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
    const filters = panel.page.locator('.block:has(h2:text-is("Filters"))');
    await filters.getByRole('button', { name: 'R', exact: true }).click();
    const names = await filters.locator('tbody th').allTextContents();
    const { radius } = layerNamed('conv1');
    const expected = radius!.map((value, i) => [value, i] as const).sort((a, b) => a[0] - b[0]);
    expect(names.map(Number)).toEqual(expected.map(([, i]) => i));
    await filters.getByRole('button', { name: '3', exact: true }).click();
    const normOf = await readAxis(panel.page, 'norm', 'x1');
    expect(normOf(Number(await mark(panel.page, 'radius').getAttribute('x1')))).toBeCloseTo(radius![3]!, 2);
    expect(await panel.page.locator('.hero .legend').textContent()).toContain('filter 3');
    expect(await panel.page.evaluate(() => document.activeElement?.getAttribute('data-row'))).toBe('3');
  });

  it('shows the numbers as tables', async () => {
    await panel.page.locator('.hero').getByRole('button', { name: 'Show as table' }).click();
    expect(await panel.page.locator('.hero svg.surface').isVisible()).toBe(false);
    const patches = await panel.page
      .locator('.chart-tables table')
      .first()
      .locator('tbody tr td:nth-child(3)')
      .allTextContents();
    const counts = patches.map((text) => Number(text.replaceAll(',', '')));
    expect(counts).toEqual(layerNamed('conv1').norm.histogram.counts);
    const joint = await panel.page
      .locator('.chart-tables table')
      .nth(2)
      .locator('tbody td')
      .allTextContents();
    const total = joint.reduce((sum, text) => sum + Number(text.replaceAll(',', '')), 0);
    expect(total).toBe(layerNamed('conv1').joint.counts.reduce((sum, value) => sum + value, 0));
    await panel.page.locator('.hero').getByRole('button', { name: 'Show as table' }).click();
    expect(await panel.page.locator('.hero svg.surface').isVisible()).toBe(true);
  });
});
