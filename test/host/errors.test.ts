import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Frame } from 'playwright-core';
import * as vscode from 'vscode';
import { writeBars } from './support/bars.js';
import { inWorkspace, openInEditor } from './support/extension.js';
import { newRun, readSummary, runsDirectory, untilStatus } from './support/runs.js';
import { until } from './support/until.js';
import { eachBuildsOnTheLast, Workbench } from './support/workbench.js';

const testImages = 100;

describe('Errors explained', () => {
  eachBuildsOnTheLast();
  let run = '';
  let wrong = 0;
  let panel: Frame;
  let window: Workbench;

  before(async () => {
    writeBars(inWorkspace('bars'), { test: testImages });
    await openInEditor(inWorkspace('small.dcnet.json'));
    const config = vscode.Uri.file(inWorkspace('small.dcnet.json'));
    run = await newRun(() => vscode.commands.executeCommand('dcnet.train', config));
    await untilStatus(run, 'completed');
    wrong = Math.round((1 - readSummary(run).testAccuracy!) * testImages);
  });
  after(() => window?.page.close());

  const listed = () => panel.locator('.list-count').innerText();

  it('opens from the palette, with every error and its verdict', async function () {
    const workbench = await Workbench.of(this);
    await workbench.palette('DCNet: Explain Errors');
    panel = await workbench.panel('errors');
    await until('the errors', async () => (await listed()) === `${wrong} errors`);
    const text = await panel.locator('.verdict-filters').innerText();
    const counts = [...text.matchAll(/(?:norm|angle|both|neither)\s+(\d+)/g)].map(([, number]) =>
      Number(number),
    );
    assert.equal(counts.length, 4, text);
    assert.equal(
      counts.reduce((sum, number) => sum + number, 0),
      wrong,
      'the verdicts add up',
    );
    assert.ok(existsSync(path.join(runsDirectory(), run, 'inspections', 'epoch-0003.test.errors.json')));
  });

  it('shows one image with its evidence', async function () {
    const workbench = await Workbench.of(this);
    await panel.locator('.one-error h2', { hasText: 'Test image' }).first().waitFor();
    assert.equal(await panel.locator('.one-error .pictures').nth(1).locator('canvas').count(), 5);
    await until('thumbnails', async () => (await panel.locator('.thumbnail canvas').count()) > 0);
    await workbench.screenshot('errors-panel');
  });

  it('narrows down by keyboard, and lets go again', async function () {
    const workbench = await Workbench.of(this);
    const matrix = panel.locator('.hero svg.surface');
    await matrix.focus();
    // The row of the first class: every one of its errors.
    await workbench.page.keyboard.press('Home');
    await workbench.page.keyboard.press('Enter');
    await panel.locator('.chip').first().waitFor();
    assert.match(await listed(), new RegExp(`of ${wrong} errors|^${wrong} errors`));
    await panel.locator('.chip').first().click();
    await until('all errors again', async () => (await listed()) === `${wrong} errors`);
  });

  it('saves the listed errors as CSV', async function () {
    const workbench = await Workbench.of(this);
    await panel.getByRole('button', { name: 'Export the listed errors as CSV' }).click();
    const file = await workbench.saveAsSuggested();
    assert.equal(path.basename(file), `${run}-epoch-0003-test-errors.csv`);
    // There is the file, then its text.
    const text = await until('the file', () => existsSync(file) && (readFileSync(file, 'utf8') || false));
    assert.equal(text.trim().split('\r\n').length, wrong + 1);
  });

  it('compares with another checkpoint', async function () {
    const workbench = await Workbench.of(this);
    await panel.getByRole('button', { name: 'Compare with another checkpoint' }).click();
    const choice = workbench.page
      .locator('.quick-input-list .monaco-list-row', { hasText: 'epoch-0001' })
      .first();
    await choice.waitFor();
    await choice.click();
    await until('the comparison', async () => /McNemar/.test(await panel.locator('.comparison').innerText()));
    await workbench.screenshot('errors-compared');
  });

  it('attacks, and says which factor moved', async function () {
    const workbench = await Workbench.of(this);
    await panel.getByRole('button', { name: 'Attack every test image' }).click();
    await until('the result', async () =>
      /Accuracy falls from/.test(await panel.locator('.attack-result').innerText()),
    );
    await workbench.screenshot('errors-attacked');
  });

  it('shows after a reload what it showed', async function () {
    const workbench = await Workbench.of(this);
    window = await workbench.anotherWindow();
    const restored = await window.panel('errors');
    await until('the comparison again', async () =>
      /McNemar/.test(await restored.locator('.comparison').innerText()),
    );
    await restored.locator('.one-error h2', { hasText: 'Test image' }).first().waitFor();
    await window.screenshot('errors-restored');
  });
});
