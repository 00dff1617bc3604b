import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorAnalysis } from '../../src/core/verdict/analysis.js';
import { type PageParts, reportPage } from '../../src/engine/report/page.js';
import type { Report } from '../../src/protocol/report.js';
import { keepPicture, launchOptions, settle } from './support/browser.js';
import { bundlePanels } from './support/bundle.js';
import { makeInspection } from './support/layers.js';
import { barriers } from './support/states.js';

const inspection = makeInspection();
const report: Report = {
  version: 1,
  dcnetVersion: '9.8.7',
  writtenAt: '2026-01-02T03:04:05.000Z',
  inspection,
  configText: '{ // a config with </script><script>window.broken = true</script> and <!-- in it\n}',
  classNames: ['a', 'b'],
  dataSha256: 'da7a'.repeat(16),
  angles: [],
  parameters: inspection.layers.map(({ name }, i) => ({ layer: name, count: 1000 + i })),
};

/** Eight images of two classes, four of them wrong. */
const explained: ErrorAnalysis = {
  ...{ version: 1, checkpoint: 'c', checkpointSha256: '', epoch: 1, step: 1, data: 'd', split: 'test' },
  ...{ sampleSize: 8, accuracy: 0.5, backend: 'wasm', classNames: ['a', 'b'], layers: ['conv1', 'dense1'] },
  labels: [0, 0, 0, 0, 0, 1, 1, 1],
  predicted: [0, 1, 1, 1, 0, 0, 1, 1],
  errors: {
    index: [1, 2, 3, 5],
    verdict: ['norm', 'angle', 'norm', 'neither'],
    layer: [0, 0, 1, -1],
    marginDegrees: [1, 2, 3, 4],
    featureNorm: [1, 1, 1, 1],
    normPercentile: [0.1, 0.2, 0.3, 0.4],
    hardness: [0.5, 0.5, 0.5, 0.5],
  },
  featureNorms: [],
  embedding: { method: 'exact', kept: 1, index: [], angle: [], radius: [] },
};

let browser: Browser;
let axeSource: string;
let folder: string;
let parts: PageParts;

beforeAll(async () => {
  const files = await bundlePanels();
  const text = (name: string): string => Buffer.from(files.get(name)!).toString('utf8');
  parts = {
    script: text('report.js'),
    style: text('report.css'),
    font: { name: 'codicon.ttf', content: Buffer.from(files.get('codicon.ttf')!) },
  };
  folder = await mkdtemp(path.join(tmpdir(), 'dcnet-report-'));
  browser = await chromium.launch(launchOptions);
  axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

/** The report as a file of its own, opened without a network. */
async function open(scheme: 'light' | 'dark', shown = report) {
  const file = path.join(folder, 'report.html');
  await writeFile(file, reportPage(shown, parts));
  const context = await browser.newContext({
    offline: true,
    colorScheme: scheme,
    reducedMotion: 'reduce',
    viewport: { width: 1100, height: 900 },
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => complaints.push(message.text()));
  page.on('request', (request) => requests.push(request.url()));
  const url = pathToFileURL(file).href;
  await page.goto(url);
  await settle(page);
  return { page, url, complaints, requests, close: () => context.close() };
}

const rowsOf = (page: Page, caption: string): Promise<string[][]> =>
  page
    .locator('table', { has: page.locator('caption', { hasText: caption }) })
    .first()
    .locator('tbody tr')
    .evaluateAll((rows) =>
      rows.map((row) => [...row.querySelectorAll('th, td')].map((cell) => cell.textContent ?? '')),
    );

describe('a report', { timeout: 60_000 }, () => {
  it.each(['light', 'dark'] as const)(
    'opens from a file without network or complaint, %s',
    async (scheme) => {
      const { page, url, complaints, requests, close } = await open(scheme);
      await page.evaluate(axeSource);
      expect(await barriers(page)).toEqual([]);
      await keepPicture(page, `report.${scheme}`);
      await page.setViewportSize({ width: 420, height: 900 });
      await settle(page);
      await keepPicture(page, `report.${scheme}.narrow`);
      const { scroll, client } = await page.evaluate(() => ({
        scroll: document.documentElement.scrollWidth,
        client: document.documentElement.clientWidth,
      }));
      expect(scroll).toBeLessThanOrEqual(client);
      expect(requests.filter((request) => !request.startsWith('data:'))).toEqual([url]);
      expect(complaints).toEqual([]);
      await close();
    },
  );

  it('has the inspection’s numbers, and says where they come from', async () => {
    const { page, close } = await open('light');
    const rows = await rowsOf(page, 'Every layer with filters');
    expect(rows.map(([name]) => name)).toEqual(inspection.layers.map(({ name }) => name));
    for (const [i, layer] of inspection.layers.entries()) {
      expect(rows[i]![3]).toBe((1000 + i).toLocaleString('en'));
      expect(Number(rows[i]![4]!.replace(',', ''))).toBeCloseTo(layer.norm.median, 1);
      expect(Number.parseFloat(rows[i]![5]!)).toBeCloseTo(layer.angle.median, 0);
    }
    const head = await page.locator('header').innerText();
    expect(head).toContain(`n = ${inspection.sampleSize.toLocaleString('en')}`);
    expect(head).toContain(inspection.backend);
    expect(head).toContain('2026-01-02 03:04 UTC');
    expect(await page.locator('.report-layer .hero svg.surface').count()).toBe(inspection.layers.length);
    await close();
  });

  it('shows the config’s text as it is, and lets nothing in it become part of the page', async () => {
    const { page, close } = await open('light');
    expect(await page.locator('pre').textContent()).toBe(report.configText);
    expect(await page.evaluate(() => 'broken' in globalThis)).toBe(false);
    await close();
  });

  it('counts the errors by verdict, layer and confusion', async () => {
    const { page, close } = await open('light', { ...report, errors: explained });
    expect(await rowsOf(page, 'Errors by verdict')).toEqual([
      ['conv1', '1', '1', '0', '0'],
      ['dense1', '1', '0', '0', '0'],
      ['no layer', '0', '0', '0', '1'],
      ['all', '2', '1', '0', '1'],
    ]);
    expect(await rowsOf(page, 'Confusions')).toEqual([
      ['a', 'b', '3', '60.0 %', '2', '1', '0', '0'],
      ['b', 'a', '1', '33.3 %', '0', '0', '0', '1'],
    ]);
    expect(await rowsOf(page, 'Classes')).toEqual([
      ['a', '5', '2', '40.0 %'],
      ['b', '3', '2', '66.7 %'],
    ]);
    await page.evaluate(axeSource);
    expect(await barriers(page)).toEqual([]);
    await keepPicture(page, 'report-errors.light');
    await close();
  });

  it('saves a chart by itself', async () => {
    const { page, close } = await open('light');
    const waiting = page.waitForEvent('download');
    await page.locator('vscode-button', { hasText: 'SVG' }).first().click();
    const download = await waiting;
    expect(download.suggestedFilename()).toMatch(/\.svg$/);
    expect(await readFile(await download.path(), 'utf8')).toMatch(/^<svg/);
    await close();
  });

  it('is printed in light colours and without its tools, also where the screen is dark', async () => {
    const { page, close } = await open('dark');
    await page.emulateMedia({ media: 'print' });
    await settle(page);
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe(
      'rgb(255, 255, 255)',
    );
    expect(await page.locator('.chart-tools').first().isVisible()).toBe(false);
    await close();
  });
});
