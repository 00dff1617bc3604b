import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { confusionMatrix } from '../../src/core/verdict/confusion.js';
import type { ErrorsView } from '../../src/protocol/panels/errors.js';
import type { PanelState } from '../../src/protocol/panels/shared.js';
import { type OpenPanel, PanelBrowser, settle } from './support/browser.js';
import { makeErrors } from './support/errors.js';

const analysis = makeErrors();
const second = makeErrors({ seed: 5, rate: 0.04, checkpoint: 'epoch-0004' });
const full: ErrorsView = { status: 'full', picture: { analysis } };
const { index, verdict } = analysis.errors;

// Pages open slowly where several tests share few cores.
vi.setConfig({ testTimeout: 30_000 });

describe('the errors panel’s manners', () => {
  let browser: PanelBrowser;
  let panel: OpenPanel;
  let page: Page;

  const open = async (view: ErrorsView, state: PanelState = {}): Promise<void> => {
    panel = await browser.open({ panel: 'errors', view, state });
    ({ page } = panel);
    await settle(page);
  };
  const reopen = async (view: ErrorsView, state: PanelState = {}): Promise<void> => {
    await panel.close();
    await open(view, state);
  };
  const show = async (view: ErrorsView): Promise<void> => {
    await page.evaluate((next) => fakeHost.show(next), view);
    await settle(page);
  };
  const asked = (name: string) =>
    page.evaluate(
      (wanted) => fakeHost.requests.filter((request) => request.name === wanted).map(({ params }) => params),
      name,
    );
  const listed = () => page.locator('.list-count').innerText();
  const chips = () => page.locator('.chip').allInnerTexts();
  const press = async (...keys: string[]): Promise<void> => {
    for (const key of keys) await page.keyboard.press(key);
    await settle(page);
  };
  const spoken = () => page.locator('.hero .chart [role=status]').innerText();

  beforeAll(async () => {
    browser = await PanelBrowser.start();
  }, 60_000);
  afterAll(() => browser?.stop());
  beforeEach(() => open(full), 30_000);
  afterEach(async () => {
    expect(panel.complaints).toEqual([]);
    await panel.close();
  });

  it('lists every error, and the verdicts add up', async () => {
    expect(await listed()).toBe(`${index.length} errors`);
    for (const word of ['norm', 'angle', 'both', 'neither'])
      await page
        .getByRole('button', { name: `${word} ${verdict.filter((one) => one === word).length}:` })
        .waitFor();
    const [first, ...rest] = (await asked('images')) as { indices: number[] }[];
    expect([first!, ...rest].flatMap(({ indices }) => indices)).toEqual(index.slice(0, 24));
    expect(first!.indices).toHaveLength(8);
    expect(await page.locator('.thumbnail canvas').count()).toBe(24);
  });

  it('opens cells, rows and columns from the keyboard, and lets them go', async () => {
    const matrix = confusionMatrix(analysis.labels, analysis.predicted, 10);
    await page.locator('.hero svg.surface').focus();
    // From the first class' own cell to shirts taken for T-shirts: six rows down.
    await press('ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown');
    expect(await spoken()).toContain(`true class shirt, predicted T-shirt, images ${matrix[6]![0]}`);
    await press('Enter');
    expect(await listed()).toBe(`${matrix[6]![0]} of ${index.length} errors`);
    expect(await chips()).toEqual(['is shirt', 'taken for T-shirt']);
    await press('ArrowLeft', 'Enter');
    const wrongShirts = matrix[6]!.reduce((sum, value) => sum + value) - matrix[6]![6]!;
    expect(await spoken()).toContain(`predicted any, errors ${wrongShirts}`);
    expect(await listed()).toBe(`${wrongShirts} of ${index.length} errors`);
    expect(await chips()).toEqual(['is shirt']);
    await page.getByRole('button', { name: 'Remove the filter: is shirt' }).press('Enter');
    await settle(page);
    expect(await listed()).toBe(`${index.length} errors`);
    // The chip is gone, and the focus goes on rather than back to the start.
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain('norm');
  });

  it('narrows down by verdict and layer, and says when nothing is left', async () => {
    await page.getByRole('button', { name: /^neither \d/ }).click();
    const neither = verdict.filter((one) => one === 'neither').length;
    expect(await listed()).toBe(`${neither} of ${index.length} errors`);
    await page.getByLabel('Turns at').selectOption('conv1');
    expect(await listed()).toBe(`0 of ${index.length} errors`);
    expect(await page.getByText('No error is left by these filters').isVisible()).toBe(true);
    expect(await page.locator('.one-error').isVisible()).toBe(false);
  });

  it('goes through the list by keyboard, beyond the end of a page', async () => {
    await page.getByRole('listbox').focus();
    await press('End');
    expect(await page.locator('.pager').innerText()).toContain('1 of');
    await page.getByRole('button', { name: 'Next page' }).click();
    await settle(page);
    expect(await page.locator('.pager').innerText()).toContain('2 of');
    expect((await asked('evidence')).at(-1)).toEqual({ of: 'first', index: index[24] });
    expect(await page.locator('.one-head h2').innerText()).toContain(`Test image ${index[24]}:`);
  });

  it('exports the listed errors, and any chart', async () => {
    await page.getByRole('button', { name: /^norm \d/ }).click();
    await page.getByRole('button', { name: 'Export the listed errors as CSV' }).click();
    await settle(page);
    const [file] = (await asked('saveFile')) as { suggestedName: string; content: string }[];
    expect(file!.suggestedName).toBe('fashion-001-epoch-0006-test-errors.csv');
    const lines = file!.content.trim().split('\r\n');
    expect(lines).toHaveLength(1 + verdict.filter((one) => one === 'norm').length);
    expect(lines.slice(1).every((line) => line.split(',')[6] === 'norm')).toBe(true);
    const saves = await page.getByRole('button', { name: 'Save the chart as SVG' }).all();
    for (const save of saves) await save.click();
    await settle(page);
    const charts = ((await asked('saveFile')) as { suggestedName: string; content: string }[]).slice(1);
    expect(charts).toHaveLength(6);
    for (const { content } of charts) {
      expect(content).toContain('fashion-001 › epoch-0006 › test split, n = 1,000');
      expect(content).not.toMatch(/NaN|undefined|class=|var\(/);
    }
  });

  it('keeps what was chosen, and takes it up again', async () => {
    await page.locator('.hero svg.surface').focus();
    await press('ArrowDown', 'ArrowDown', 'Enter');
    await page.getByLabel('Order').selectOption('similarity');
    await page.getByRole('button', { name: 'Show the diagonal' }).click();
    await settle(page);
    const state = (await page.evaluate(() => fakeHost.state)) as PanelState;
    expect(state).toMatchObject({
      checkpoint: analysis.checkpoint,
      errors: { label: 2, predicted: 0, order: 'similarity', diagonal: false },
    });
    await reopen(full, state);
    expect(await chips()).toEqual(['is pullover', 'taken for T-shirt']);
    expect(await page.getByLabel('Order').inputValue()).toBe('similarity');
    expect(await page.locator('.one-head h2').innerText()).toContain(`Test image ${state.errors!.image}:`);
    await reopen(full, { errors: { label: 99, layer: 'gone', change: 'fixed', image: -3 } });
    expect(await chips()).toEqual([]);
    await reopen(full, { errors: 7 } as never);
    expect(await listed()).toBe(`${index.length} errors`);
  });

  it('compares two checkpoints with McNemar’s test', async () => {
    await page.getByRole('button', { name: 'Compare with another checkpoint' }).click();
    await settle(page);
    expect(await asked('compare')).toHaveLength(1);
    await show({ status: 'full', picture: { analysis, second } });
    const right = (one: typeof analysis, i: number): boolean => one.labels[i] === one.predicted[i];
    const images = [...analysis.labels.keys()];
    const fixed = images.filter((i) => !right(analysis, i) && right(second, i)).length;
    const regressed = images.filter((i) => right(analysis, i) && !right(second, i));
    const words = await page.locator('.comparison p').innerText();
    expect(words).toContain(`fixes ${fixed} and regresses on ${regressed.length}`);
    expect(words).toMatch(/mid-p (=|<) 0\.\d+ \(exact 0\.\d+\)/);
    await page.getByRole('button', { name: /^regressed/ }).click();
    await settle(page);
    expect(await listed()).toContain(`${regressed.length} of`);
    expect((await asked('evidence')).at(-1)).toEqual({ of: 'second', index: regressed[0] });
    await page.getByRole('combobox', { name: 'Matrix' }).selectOption('difference');
    expect(await page.locator('.hero h2').innerText()).toBe('Confusion matrix, B − A');
    await page.getByRole('button', { name: 'Stop comparing' }).click();
    await settle(page);
    expect(await asked('stopComparing')).toHaveLength(1);
    await show(full);
    expect(await page.locator('.comparison').isVisible()).toBe(false);
    expect(await chips()).toEqual([]);
  });

  it('leads to the checkpoint’s layers and its report', async () => {
    await page.getByRole('button', { name: 'Inspect Layers' }).click();
    await page.getByRole('button', { name: 'Export a report on this checkpoint' }).click();
    await settle(page);
    expect(await asked('act')).toEqual([{ action: 'inspectLayers' }, { action: 'exportReport' }]);
  });

  it('attacks with the ε that is wanted', async () => {
    await page.getByLabel('ε, in pixel values of 255').fill('300');
    await page.getByRole('button', { name: 'Attack every test image' }).click();
    await page.locator('.attack-result').waitFor();
    expect(await asked('attack')).toEqual([{ attack: 'fgsm', epsilon: 255 }]);
    expect(await page.locator('.attack-result [role=status]').first().innerText()).toContain('at ε = 255');
    expect(await page.locator('.pair').count()).toBe(6);
    expect(await page.getByText('It says nothing of stronger attacks.').isVisible()).toBe(true);
    await page.getByRole('combobox', { name: 'attack' }).selectOption('pgd');
    expect(await page.getByText('from a random start').isVisible()).toBe(true);
    await page.getByRole('button', { name: 'Attack every test image' }).click();
    await page.getByText('under PGD at ε = 255').waitFor();
    expect((await asked('attack')).at(-1)).toEqual({ attack: 'pgd', epsilon: 255 });
    expect((await asked('attackedImages')).at(-1)).toMatchObject({ attack: 'pgd', epsilon: 255 });
    await page.evaluate(() => {
      fakeHost.failNext = {
        name: 'attack',
        error: { code: 'checkpoint', message: 'The weights are gone.', remedy: 'Put them back.' },
      };
    });
    await page.getByRole('button', { name: 'Attack every test image' }).click();
    await page.getByText('The weights are gone.').waitFor();
    expect(await page.locator('.attack-result').isVisible()).toBe(true);
  });

  it('selects an error in the embedding, whatever the filters', async () => {
    await page.getByRole('button', { name: /^neither \d/ }).click();
    const surface = page.locator('.evidence > .chart svg.surface');
    await surface.focus();
    for (let tries = 0; tries < 200; tries++) {
      await page.keyboard.press('ArrowRight');
      const words = await page.locator('.evidence > .chart [role=status]').innerText();
      const image = Number(/test image (\d+)/.exec(words)![1]);
      const at = index.indexOf(image);
      if (at < 0 || verdict[at] === 'neither') continue;
      await press('Enter');
      expect(await page.locator('.one-head h2').innerText()).toContain(`Test image ${image}:`);
      expect(await chips()).toEqual([]);
      return;
    }
    throw new Error('No such error was met.');
  });

  it('says what the verdicts mean, one click away', async () => {
    await page.getByRole('button', { name: 'What do verdicts mean?' }).click();
    expect(await page.locator('.definition').innerText()).toContain(
      'Only the magnitudes mend the error: norm.',
    );
  });

  it('shows what failed, and goes on', async () => {
    await page.evaluate(() => {
      fakeHost.failNext = {
        name: 'evidence',
        error: { code: 'data', message: 'The images are gone.', remedy: 'Put them back.' },
      };
    });
    await page.getByRole('listbox').focus();
    await press('ArrowDown');
    expect(await page.getByRole('alert').first().innerText()).toContain('The images are gone.');
    await press('ArrowDown');
    expect(await page.locator('.one-head h2').innerText()).toContain(`Test image ${index[2]}:`);
    await show({
      status: 'loading',
      checkpoint: 'epoch-0007',
      progress: { activity: 'Classifying images', done: 3, total: 10 },
      previous: { analysis },
    });
    await page.getByRole('button', { name: 'Cancel' }).first().click();
    await settle(page);
    expect(await asked('cancel')).toHaveLength(1);
    await show({
      status: 'error',
      error: { code: 'checkpoint', message: 'It is cut off.', remedy: 'Take another.' },
      previous: { analysis },
    });
    await page.getByRole('button', { name: 'Try again' }).click();
    await settle(page);
    expect(await asked('retry')).toHaveLength(1);
    expect(await page.locator('.hero svg.surface').isVisible()).toBe(true);
  });
});
