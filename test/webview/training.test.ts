import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { RunStatus } from '../../src/core/run/run.js';
import type { TrainingView } from '../../src/protocol/panels/training.js';
import { type OpenPanel, PanelBrowser, settle } from './support/browser.js';
import { mark, markPoints, readAxis } from './support/geometry.js';
import { makeTrainingView } from './support/runs.js';

const stepsOf = (view: TrainingView) => view.metrics.filter((record) => record.type === 'step');
const epochsOf = (view: TrainingView) => view.metrics.filter((record) => record.type === 'epoch');

// Pages open slowly where several tests share few cores.
vi.setConfig({ testTimeout: 30_000 });

describe('the training panel', () => {
  let browser: PanelBrowser;
  let panel: OpenPanel;
  let page: Page;

  const open = async (view: TrainingView, state?: object) => {
    panel = await browser.open({ panel: 'training', view, ...(state ? { state } : {}) });
    page = panel.page;
  };
  const show = async (view: TrainingView) => {
    await page.evaluate((next) => fakeHost.show(next), view);
    await settle(page);
  };
  const asked = () => page.evaluate(() => fakeHost.requests.map(({ name }) => name));
  const fact = (name: string) => page.locator(`[data-fact="${name}"]`).textContent();

  beforeAll(async () => {
    browser = await PanelBrowser.start();
  }, 60_000);
  afterAll(() => browser?.stop());
  afterEach(async () => {
    expect(panel.complaints).toEqual([]);
    await panel.close();
  });

  it('says which run it is and how far, with the numbers of now', async () => {
    const view = makeTrainingView('running');
    await open(view);
    expect(await page.locator('h1').textContent()).toBe(
      'fashion-tanhrunningepoch 5/8wasm 4.22.0 on two cores',
    );
    expect(await fact('training loss')).toBe(Number(view.state.loss!.toPrecision(3)).toString());
    expect(await fact('training accuracy')).toBe(`${(view.state.accuracy! * 100).toFixed(1)} %`);
    expect(await fact('test accuracy, last epoch')).toBe(
      `${(epochsOf(view).at(-1)!.testAccuracy * 100).toFixed(1)} %`,
    );
    expect(await page.locator('.fact-note').textContent()).toMatch(
      /optimistic: it was chosen on the test split/,
    );
    expect(await page.locator('.runtime-note').textContent()).toBe(
      'Chosen by auto: 1.2 × tensorflow in a trial on this machine. Not tensorflow: it runs here, at 0.83 × the speed of wasm in the trial. Not cpu: it runs here, as the reference for tests: some hundred times slower.',
    );
    expect(await page.locator('.progress-words').textContent()).toBe(
      'Training412 of 632 steps · 1 min 14 s left',
    );
    expect(await page.locator('progress').evaluate((bar) => (bar as HTMLProgressElement).value)).toBeCloseTo(
      412 / 632,
      12,
    );
  });

  it('draws every record where its numbers are', async () => {
    const view = makeTrainingView('stopped');
    await open(view);
    const [stepOf, lossOf, accuracyOf, rateOf] = await Promise.all([
      readAxis(page, 'step', 'x1'),
      readAxis(page, 'loss', 'y1'),
      readAxis(page, 'accuracy', 'y1'),
      readAxis(page, 'learning-rate', 'y1'),
    ]);
    const steps = stepsOf(view);
    const tracks = [
      ['train-loss', lossOf, (i: number) => steps[i]!.loss, 0.01],
      ['train-accuracy', accuracyOf, (i: number) => steps[i]!.accuracy, 0.005],
      ['learning-rate', rateOf, (i: number) => steps[i]!.learningRate, 1e-4],
    ] as const;
    for (const [key, readValue, expected, tolerance] of tracks) {
      const points = await markPoints(page, key);
      expect(points).toHaveLength(steps.length);
      points.forEach(([x, y], i) => {
        expect(Math.abs(stepOf(x) - steps[i]!.step)).toBeLessThan(0.5);
        expect(Math.abs(readValue(y) - expected(i))).toBeLessThan(tolerance);
      });
    }
    const epochs = epochsOf(view);
    expect(epochs).toHaveLength(3);
    for (const [i, epoch] of epochs.entries()) {
      expect(
        Math.abs(stepOf(Number(await mark(page, `test-accuracy-${i}`).getAttribute('cx'))) - epoch.step),
      ).toBeLessThan(0.5);
      expect(accuracyOf(Number(await mark(page, `test-accuracy-${i}`).getAttribute('cy')))).toBeCloseTo(
        epoch.testAccuracy,
        2,
      );
    }
  });

  it.each([
    ['queued', ['Take out of the queue', 'Config']],
    ['preparing', ['Stop', 'Config']],
    ['running', ['Pause', 'Stop', 'Inspect layers', 'Config']],
    ['paused', ['Continue', 'Stop', 'Inspect layers', 'Config']],
    ['stopped', ['Resume', 'Inspect layers', 'Config']],
    ['failed', ['Resume', 'Inspect layers', 'Config']],
    ['completed', ['Inspect layers', 'Config']],
  ] as const satisfies readonly (readonly [RunStatus, readonly string[]])[])(
    'offers what a %s run allows',
    async (status, labels) => {
      await open(makeTrainingView(status));
      expect(await page.locator('.actions vscode-button:visible').allTextContents()).toEqual(labels);
    },
  );

  it('says how far the reading of images is', async () => {
    const view = makeTrainingView('preparing');
    await open({ ...view, state: { ...view.state, reading: { done: 1234, total: 50_000 } } });
    const progress = page.locator('.progress-block');
    expect(await progress.innerText()).toMatch(/Reading images\s+1,234 of 50,000/);
    expect(await progress.locator('progress').evaluate((bar: HTMLProgressElement) => bar.value)).toBeCloseTo(
      0.02468,
    );
  });

  it('asks the host for what its buttons say', async () => {
    await open(makeTrainingView('running'));
    for (const name of ['Pause', 'Stop', 'Inspect layers', 'Reveal the run’s config']) {
      await page.getByRole('button', { name }).click();
    }
    await show(makeTrainingView('paused'));
    await page.getByRole('button', { name: 'Continue' }).click();
    await show(makeTrainingView('stopped'));
    await page.getByRole('button', { name: 'Resume' }).click();
    await settle(page);
    expect(await asked()).toEqual([
      'ready',
      'pause',
      'stop',
      'inspect',
      'revealConfig',
      'continue',
      'resume',
    ]);
  });

  it('keeps the focus and its elements when a new snapshot comes', async () => {
    await open(makeTrainingView('running'));
    await page.getByRole('button', { name: 'Pause' }).focus();
    await mark(page, 'train-loss').evaluate((element) => element.setAttribute('data-same', 'yes'));
    await show(makeTrainingView('paused'));
    const focused = await page.evaluate(() => document.activeElement?.getAttribute('aria-label'));
    expect(focused).toBe('Continue');
    expect(await mark(page, 'train-loss').getAttribute('data-same')).toBe('yes');
  });

  it('says its place in the queue, and that curves will come', async () => {
    await open(makeTrainingView('queued'));
    expect(await page.locator('h1').textContent()).toContain('queued, place 2');
    expect(await page.locator('.progress-activity').textContent()).toBe('Waits in the queue at place 2');
    expect(await page.locator('.waiting').isVisible()).toBe(true);
    expect(await page.locator('svg.surface').isVisible()).toBe(false);
    await show(makeTrainingView('running'));
    expect(await page.locator('.waiting').isVisible()).toBe(false);
    expect(await page.locator('svg.surface').isVisible()).toBe(true);
  });

  it('says why a run failed and what to do, and leads to the config', async () => {
    await open(makeTrainingView('failed'));
    const alert = page.getByRole('alert').first();
    expect(await alert.textContent()).toContain(
      'The loss became NaN at step 196; it first shows in layer conv2.',
    );
    expect(await alert.textContent()).toContain('Try a learning rate of 0.001');
    expect(await alert.textContent()).toContain(
      'networks/fashion-tanh.dcnet.json:14:39 · optimizer.learningRate',
    );
    await page.getByRole('button', { name: 'Open the config' }).click();
    await settle(page);
    expect(await asked()).toContain('revealConfig');
  });

  it('shows the chosen layer’s norm and radius, and remembers the choice', async () => {
    const view = makeTrainingView('completed');
    await open(view);
    expect(await mark(page, 'layer-title').textContent()).toContain('conv1: E‖x‖ 2.31');
    await page.locator('[data-key=conv2]').click();
    const last = epochsOf(view).at(-1)!.layers[1]!;
    expect(await mark(page, 'layer-title').textContent()).toBe(
      `conv2: E‖x‖ ${Number(last.meanPatchNorm.toPrecision(3))} · R ${Number(last.radius!.toPrecision(3))}`,
    );
    const state = await page.evaluate(() => fakeHost.state as object);
    expect(state).toEqual({ runDirectory: view.runDirectory, selectedLayer: 'conv2' });
    await page.locator('[data-key=conv3]').click();
    expect(await mark(page, 'radius').count()).toBe(0);
    await panel.close();
    await open(view, state);
    expect(await page.locator('[aria-selected=true]').getAttribute('data-key')).toBe('conv2');
  });

  it('reads the steps by keyboard', async () => {
    const view = makeTrainingView('completed');
    await open(view);
    await page.getByRole('button', { name: 'Save the chart as PNG' }).focus();
    await page.keyboard.press('Tab');
    const spoken = () => page.locator('.chart [role=status]').textContent();
    expect(await spoken()).toContain('step 632');
    expect(await spoken()).toContain(
      `test accuracy ${Number((epochsOf(view).at(-1)!.testAccuracy * 100).toPrecision(7))} %`,
    );
    await page.keyboard.press('Home');
    expect(await spoken()).toContain(
      `step 4, training loss ${Number(stepsOf(view)[0]!.loss.toPrecision(7))}`,
    );
    await page.keyboard.press('ArrowRight');
    expect(await spoken()).toContain('step 8');
  });

  it('has every record in its tables', async () => {
    const view = makeTrainingView('completed');
    await open(view);
    await page.getByRole('button', { name: 'Show as table' }).click();
    const losses = await page
      .locator('.chart-tables table')
      .first()
      .locator('tbody td:nth-child(3)')
      .evaluateAll((cells) => cells.map((cell) => Number(cell.getAttribute('title'))));
    expect(losses).toEqual(stepsOf(view).map(({ loss }) => loss));
    const epochs = await page
      .locator('.block:has(h2:text-is("Epochs")) tbody td:nth-child(3)')
      .allTextContents();
    expect(epochs).toEqual(epochsOf(view).map(({ testAccuracy }) => `${(testAccuracy * 100).toFixed(1)} %`));
  });

  it('shows what failed beside the run, and lets it be dismissed', async () => {
    await open(makeTrainingView('running'));
    await page.evaluate(() =>
      fakeHost.fail({ code: 'engine', message: 'The engine ended.', remedy: 'It is started again.' }),
    );
    await settle(page);
    expect(await page.getByRole('alert').textContent()).toContain('The engine ended.It is started again.');
    await page.getByRole('button', { name: 'Dismiss' }).click();
    expect(await page.getByRole('alert').isVisible()).toBe(false);
  });
});
