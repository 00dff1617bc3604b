import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { writeBars } from './support/bars.js';
import { inWorkspace, openInEditor } from './support/extension.js';
import { newRun, readSummary, runsDirectory, startAfresh, untilStatus } from './support/runs.js';
import { until } from './support/until.js';
import { eachBuildsOnTheLast, Workbench } from './support/workbench.js';

describe('The main job', () => {
  eachBuildsOnTheLast();
  let run = '';

  before(async () => {
    await startAfresh();
    writeBars(inWorkspace('bars'));
  });

  it('starts with a view that says what to do', async function () {
    const workbench = await Workbench.of(this);
    await vscode.commands.executeCommand('dcnet.runs.focus');
    const welcome = workbench.page.locator('.welcome-view-content:visible');
    await welcome.getByText('Create a Sample Network').waitFor();
    await welcome.getByText('Train It').waitFor();
    await workbench.screenshot('welcome');
  });

  it('trains the open config from the palette, asking nothing', async function () {
    const workbench = await Workbench.of(this);
    await openInEditor(inWorkspace('small.dcnet.json'));
    run = await newRun(() => workbench.palette('DCNet: Train DCNet'));
    await untilStatus(run, 'completed');
    const summary = readSummary(run);
    assert.equal(summary.epochs, 3);
    assert.ok(
      summary.testAccuracy !== undefined && summary.testAccuracy > 0.8 && summary.testAccuracy < 0.95,
      `${summary.testAccuracy}`,
    );
    assert.ok(existsSync(path.join(runsDirectory(), run, 'checkpoints', 'best.dcnet.safetensors')));
  });

  it('says that it is done', async function () {
    const workbench = await Workbench.of(this);
    const notification = await workbench.notification(`${run} is trained`);
    await notification.getByText('Inspect Layers').waitFor();
    await workbench.screenshot('trained');
    await vscode.commands.executeCommand('notifications.clearAll');
  });

  it('shows the run and its checkpoints in the tree', async function () {
    const workbench = await Workbench.of(this);
    const row = workbench.runRows.filter({ hasText: run });
    await row.waitFor();
    const { testAccuracy } = readSummary(run);
    assert.match((await row.textContent()) ?? '', new RegExp(`${(testAccuracy! * 100).toFixed(1)} %`));
    await row.click();
    await workbench.page.keyboard.press('ArrowRight');
    for (const name of ['best', 'epoch-0003', 'epoch-0002', 'epoch-0001'])
      await workbench.runRows.filter({ hasText: name }).waitFor();
    await workbench.screenshot('tree');
  });

  it('shows the training with real numbers', async function () {
    const workbench = await Workbench.of(this);
    await vscode.commands.executeCommand('dcnet.openTrainingPanel');
    const panel = await workbench.panel('training');
    const { testAccuracy } = readSummary(run);
    const text = await until('the accuracy in the panel', async () => {
      const text = await panel.locator('main').innerText();
      return text.includes(`${Number((testAccuracy! * 100).toPrecision(3))} %`) && text;
    });
    assert.match(text, new RegExp(run));
    assert.ok((await panel.locator('svg path').count()) > 0, 'curves are drawn');
    await workbench.screenshot('training-panel');
  });

  it('shows what each layer does, with the cursor and the panel hand in hand', async function () {
    const workbench = await Workbench.of(this);
    const editor = await openInEditor(inWorkspace('small.dcnet.json'));
    await vscode.commands.executeCommand('dcnet.inspectLayers');
    const panel = await workbench.panel('layer');
    const selected = panel.locator('[role="option"][aria-selected="true"]');
    await selected.first().waitFor();
    for (const name of ['conv1', 'conv2', 'dense1'])
      await panel.locator('[role="option"]').filter({ hasText: name }).waitFor();

    // the cursor leads
    const lineOf = (text: string): number =>
      editor.document.positionAt(editor.document.getText().indexOf(text)).line;
    const conv2 = lineOf('"filters": 6');
    editor.selection = new vscode.Selection(conv2, 8, conv2, 8);
    await until('conv2 is selected', async () => (await selected.innerText()).includes('conv2'));
    await workbench.screenshot('layer-panel');

    // the panel leads
    await panel.locator('[role="option"]').filter({ hasText: 'conv1' }).click();
    const conv1 = lineOf('"filters": 4');
    await until('the cursor is at conv1', () => editor.selection.active.line === conv1);
  });

  it('offers the result above the config', async () => {
    const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
      'vscode.executeCodeLensProvider',
      vscode.Uri.file(inWorkspace('small.dcnet.json')),
    );
    const titles = lenses.map(({ command }) => command?.title ?? '');
    const { testAccuracy } = readSummary(run);
    assert.ok(titles.some((title) => title.endsWith('Train')));
    assert.ok(
      titles.some((title) => title.includes(`${run}, ${(testAccuracy! * 100).toFixed(1)} %`)),
      `${titles}`,
    );
    assert.ok(titles.some((title) => title.includes('Inspect layers')));
  });
});
