import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { robustnessChecks } from '../../src/core/attack/checks.js';
import type { RobustnessMeasurement } from '../../src/core/attack/robustness.js';
import { type PageParts, robustnessPage } from '../../src/engine/report/page.js';
import { keepPicture, launchOptions, settle } from './support/browser.js';
import { bundlePanels } from './support/bundle.js';
import { barriers } from './support/states.js';

const losses = [
  [1, 1.01, 1.02],
  [1, 1.5, 1.7],
  [1, 2, 2.4],
];
/** BIM does less than FGSM at the end: a check that fails. */
const measurement: RobustnessMeasurement = {
  version: 1,
  ...{
    run: '</script><script>window.broken = true</script>',
    checkpoint: '/r/checkpoints/epoch-0002.dcnet.safetensors',
  },
  ...{
    checkpointSha256: 'c0de'.repeat(16),
    epoch: 2,
    step: 20,
    data: 'bars',
    split: 'test',
    backend: 'wasm',
  },
  ...{ sampleSize: 200, splitSize: 1000, classes: 10, seed: 1, norm: 'linf', epsilons: [0, 4, 16] },
  ...{ steps: 2, restarts: 1, targeted: false, accuracy: 0.9, zeroGradients: 0 },
  adversarial: 'FGSM on 50 % of each batch, ℓ∞ ≤ 8',
  source: {
    checkpoint: '/s/checkpoints/best.dcnet.safetensors',
    checkpointSha256: '0'.repeat(64),
    run: 'other',
    accuracy: 0.88,
  },
  curves: [
    {
      attack: 'fgsm',
      access: 'white-box',
      accuracies: [0.9, 0.7, 0.2],
      objectives: losses.map((v) => v.slice(1)),
    },
    { attack: 'bim', access: 'white-box', accuracies: [0.9, 0.6, 0.3], objectives: losses },
    { attack: 'bim', access: 'transfer', accuracies: [0.9, 0.8, 0.5], objectives: losses },
  ],
  noise: [0.9, 0.89, 0.85],
  unbounded: { epsilon: 255, steps: 40, accuracy: 0 },
};

let browser: Browser;
let axeSource: string;
let folder: string;
let parts: PageParts;

beforeAll(async () => {
  const files = await bundlePanels();
  const text = (name: string): string => Buffer.from(files.get(name)!).toString('utf8');
  parts = {
    script: text('robustness.js'),
    style: text('robustness.css'),
    font: { name: 'codicon.ttf', content: Buffer.from(files.get('codicon.ttf')!) },
  };
  folder = await mkdtemp(path.join(tmpdir(), 'dcnet-robustness-'));
  browser = await chromium.launch(launchOptions);
  axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

async function open(scheme: 'light' | 'dark', shown = measurement, forcedColors: 'active' | 'none' = 'none') {
  const file = path.join(folder, 'robustness.html');
  const checks = [...robustnessChecks(shown)];
  const report = { dcnetVersion: '9.8.7', writtenAt: '2026-01-02T03:04:05.000Z', measurement: shown, checks };
  await writeFile(file, robustnessPage(report, parts));
  const context = await browser.newContext({
    offline: true,
    colorScheme: scheme,
    forcedColors,
    reducedMotion: 'reduce',
    viewport: { width: 1100, height: 900 },
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => complaints.push(message.text()));
  page.on('request', (request) => {
    if (!/^(file|data):/.test(request.url())) complaints.push(request.url());
  });
  await page.goto(pathToFileURL(file).href);
  await settle(page);
  return { page, complaints, close: () => context.close() };
}

describe('a robustness report', { timeout: 60_000 }, () => {
  it.each(['light', 'dark'] as const)(
    'opens from a file without network or complaint, %s',
    async (scheme) => {
      const { page, complaints, close } = await open(scheme);
      await page.evaluate(axeSource);
      expect(await barriers(page)).toEqual([]);
      await keepPicture(page, `robustness.${scheme}`);
      await page.setViewportSize({ width: 420, height: 900 });
      await settle(page);
      await keepPicture(page, `robustness.${scheme}.narrow`);
      const { scroll, client } = await page.evaluate(() => ({
        scroll: document.documentElement.scrollWidth,
        client: document.documentElement.clientWidth,
      }));
      expect(scroll).toBeLessThanOrEqual(client);
      expect(await page.evaluate(() => 'broken' in globalThis)).toBe(false);
      expect(complaints).toEqual([]);
      await close();
    },
  );

  it.each(['light', 'dark'] as const)(
    'is drawn in colours that the system forces on it, %s',
    async (scheme) => {
      const { page, complaints, close } = await open(scheme, measurement, 'active');
      await page.evaluate(axeSource);
      expect(await barriers(page)).toEqual([]);
      await keepPicture(page, `robustness.forced.${scheme}`);
      // Playwright's forced colours are black on white, or white on black.
      const [text, ground] = scheme === 'dark' ? [255, 0] : [0, 255];
      const grey = (value: number): string => `rgb(${value}, ${value}, ${value})`;
      const styleOf = (selector: string, property: string): Promise<string> =>
        page
          .locator(selector)
          .first()
          .evaluate((element, name) => getComputedStyle(element).getPropertyValue(name), property);
      expect(await styleOf('body', 'background-color')).toBe(grey(ground));
      expect(await styleOf('.line.plain', 'stroke')).toBe(grey(text));
      expect(await styleOf('.line.fine', 'stroke')).toBe(grey(text));
      expect(await styleOf('svg.surface .label', 'fill')).toBe(grey(text));
      expect(complaints).toEqual([]);
      await close();
    },
  );

  it('sets what a check found apart from what it is of', async () => {
    const { page, close } = await open('light');
    for (const width of [1100, 420]) {
      await page.setViewportSize({ width, height: 900 });
      for (const item of await page.locator('.checks li').all()) {
        const { status, sentence } = await item.evaluate((element) => {
          const range = document.createRange();
          range.selectNode(element.childNodes[1]!);
          const word = document.createRange();
          word.selectNodeContents(element.firstChild!);
          return {
            status: word.getBoundingClientRect().toJSON(),
            sentence: range.getBoundingClientRect().toJSON(),
          };
        });
        if (width === 420) expect(sentence.top).toBeGreaterThanOrEqual(status.bottom - 1);
        else expect(sentence.left - status.right).toBeGreaterThanOrEqual(8);
      }
    }
    await close();
  });

  it('has the accuracies, draws them where they belong, and warns of what does not hold', async () => {
    const { page, close } = await open('light');
    const rows = await page
      .locator('section[aria-label="Accuracies"] tbody tr')
      .evaluateAll((all) =>
        all.map((row) => [...row.querySelectorAll('th, td')].map((cell) => cell.textContent)),
      );
    expect(rows).toEqual([
      ['FGSM', '90.0 %', '70.0 %', '20.0 %'],
      ['BIM', '90.0 %', '60.0 %', '30.0 %'],
      ['BIM, transferred', '90.0 %', '80.0 %', '50.0 %'],
      ['random noise', '90.0 %', '89.0 %', '85.0 %'],
    ]);
    const heightOf = async (mark: string): Promise<number> =>
      Number(await page.locator(`[data-mark="${mark}"]`).first().getAttribute('cy'));
    const [fgsm, bim, top] = [
      await heightOf('dot-FGSM-2'),
      await heightOf('dot-BIM-2'),
      await heightOf('dot-FGSM-0'),
    ];
    expect((fgsm - top) / (bim - top)).toBeCloseTo(0.7 / 0.6, 2);
    const words = await page.locator('main').innerText();
    expect(words).toContain('One check fails');
    expect(await page.locator('.checks .failed').innerText()).toContain('They leave more at ε = 16.');
    expect(words).toContain('FGSM on 50 % of each batch');
    await close();
  });

  it('says towards which class attacks go, and of how many images', async () => {
    const targeted = { class: 3, name: 'deer', leftOut: 12 };
    const { page, close } = await open('light', { ...measurement, sampleSize: 188, targeted });
    const words = await page.locator('body').innerText();
    expect(words).toContain('class 3, deer; 12 images of this class left out');
    expect(words).toContain('the first 200 of 1,000 images less 12');
    await close();
  });

  it('says how much was tried', async () => {
    const tried = { steps: 40, stepSize: 0.5, restarts: 3 };
    const { page, close } = await open('light', { ...measurement, ...tried });
    expect(await page.locator('header').innerText()).toContain('ℓ∞, 40 steps of 0.5, 3 starts, seed 1');
    await close();
  });

  it('says of FGSM alone that it says nothing', async () => {
    const { unbounded: _, ...rest } = measurement;
    const { page, close } = await open('light', { ...rest, curves: measurement.curves.slice(0, 1) });
    expect(await page.locator('header').innerText()).toContain(
      'Only FGSM was run: this report says nothing of robustness.',
    );
    expect(await page.locator('svg.surface').count()).toBe(1);
    await close();
  });
});
