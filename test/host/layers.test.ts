import assert from 'node:assert/strict';
import path from 'node:path';
import * as vscode from 'vscode';
import { writeBars } from './support/bars.js';
import { inWorkspace, openInEditor } from './support/extension.js';
import { newRun, runsDirectory, untilStatus } from './support/runs.js';
import { until } from './support/until.js';
import { eachBuildsOnTheLast, Workbench } from './support/workbench.js';

describe('Looking into the layers', () => {
  eachBuildsOnTheLast();
  let checkpoint = '';
  let panel: Awaited<ReturnType<Workbench['panel']>>;

  before(async () => {
    await writeBars(inWorkspace('bars'));
    const config = inWorkspace('small.dcnet.json');
    await openInEditor(config);
    const run = await newRun(() => vscode.commands.executeCommand('dcnet.train', vscode.Uri.file(config)));
    await untilStatus(run, 'completed');
    checkpoint = path.join(runsDirectory(), run, 'checkpoints', 'epoch-0003.dcnet.safetensors');
  });

  const heading = (): Promise<string> => panel.locator('h1').innerText();

  it('counts the images of one class, and those that went wrong', async function () {
    const workbench = await Workbench.of(this);
    await vscode.commands.executeCommand('dcnet.inspectLayers', vscode.Uri.file(checkpoint));
    panel = await workbench.panel('layer');
    await panel.getByRole('listbox', { name: 'Layers' }).waitFor();
    const whole = await heading();
    await panel.getByRole('combobox', { name: 'class' }).selectOption({ index: 1 });
    await until('one class', async () => (await heading()).includes(', class '));
    assert.notEqual(await heading(), whole);
    await panel.getByRole('combobox', { name: 'images' }).selectOption('right');
    await until('the right ones', async () => (await heading()).includes('right ones only'));
    await panel.getByRole('combobox', { name: 'images' }).selectOption({ index: 0 });
    await panel.getByRole('combobox', { name: 'class' }).selectOption({ index: 0 });
    await until('all images again', async () => (await heading()) === whole);
  });

  it('goes through the checkpoints of the run, measuring those that are missing', async function () {
    const workbench = await Workbench.of(this);
    const block = panel.locator('.block', { hasText: 'Over the run' });
    await block.getByRole('button', { name: 'Measure them' }).click();
    await until('three ridges', async () => (await block.locator('.area.norm.ridge').count()) === 3);
    await panel.getByRole('slider', { name: 'Checkpoint' }).focus();
    await panel.getByRole('slider', { name: 'Checkpoint' }).press('Home');
    await until('the first epoch', async () => (await heading()).includes('epoch-0001'));
    await workbench.screenshot('layers-epochs');
  });

  it('compares with another checkpoint', async function () {
    const workbench = await Workbench.of(this);
    await panel.getByRole('button', { name: /^Compare with/ }).click();
    const choice = workbench.page
      .locator('.quick-input-list .monaco-list-row')
      .filter({ hasText: 'epoch-0003' })
      .first();
    await choice.waitFor();
    await choice.click();
    await until(
      'B in the picture',
      async () => (await panel.locator('[data-mark=norm-second]').count()) === 1,
    );
    assert.match(await panel.locator('.hero .legend').innerText(), /B: .* epoch-0003/);
    await workbench.screenshot('layers-compare');
  });

  it('maps a filter over an image, and shows how filters stand to each other', async function () {
    const workbench = await Workbench.of(this);
    await panel.getByRole('button', { name: 'Show images' }).click();
    const block = panel.locator('.block', { hasText: 'On an image' });
    await block.locator('[data-mark^=map-1-]').first().waitFor({ state: 'attached' });
    assert.match(await block.locator('h2').last().innerText(), /over image \d+/);
    await panel.getByRole('button', { name: 'Show the angles between filters' }).click();
    await panel.locator('[data-mark^=pair-], [data-mark^=opposed-]').first().waitFor({ state: 'attached' });
    await workbench.screenshot('layers-image');
  });

  it('leads to the errors of the checkpoint, and back', async function () {
    const workbench = await Workbench.of(this);
    const shown = (await heading()).match(/epoch-\d+/)?.[0];
    await panel.getByRole('button', { name: 'Explain Errors' }).click();
    const errors = await workbench.panel('errors');
    await errors.getByRole('button', { name: 'Inspect Layers' }).waitFor();
    assert.ok((await errors.locator('h1').innerText()).includes(shown ?? 'a checkpoint'));
    await errors.getByRole('button', { name: 'Inspect Layers' }).click();
    const layers = await workbench.panel('layer');
    await layers.getByRole('listbox', { name: 'Layers' }).waitFor();
  });
});
