import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { inWorkspace } from './support/extension.js';
import { newRun, readSummary, runsDirectory, untilStatus } from './support/runs.js';
import { until } from './support/until.js';
import { eachBuildsOnTheLast, Workbench } from './support/workbench.js';

/** The sample trains for under a minute on a machine that has nothing else to do. */
const trainLimitMs = 240_000;

describe('The sample network', () => {
  eachBuildsOnTheLast();
  let run = '';
  const config = (): vscode.Uri => vscode.Uri.file(inWorkspace('fashion.dcnet.json'));

  it('is created by a command, and its config is in order', async function () {
    const workbench = await Workbench.of(this);
    await workbench.palette('DCNet: Create Sample Network');
    await until(
      'its config is open',
      () => vscode.window.activeTextEditor?.document.uri.fsPath === config().fsPath,
    );
    const lenses = await until('a lens', async () => {
      const found = await vscode.commands.executeCommand<vscode.CodeLens[]>(
        'vscode.executeCodeLensProvider',
        config(),
      );
      return found.length > 0 && found;
    });
    assert.ok(lenses.some(({ command }) => command?.command === 'dcnet.train'));
    assert.deepEqual(vscode.languages.getDiagnostics(config()), []);
  });

  it('learns from the images that come with the extension', async function () {
    this.timeout(trainLimitMs);
    const workbench = await Workbench.of(this);
    run = await newRun(() => vscode.commands.executeCommand('dcnet.train', config()));
    await untilStatus(run, 'completed', trainLimitMs);
    const { testAccuracy, trainSeconds } = readSummary(run);
    console.log(`the sample: ${testAccuracy} of the test images right after ${trainSeconds.toFixed(1)} s`);
    assert.ok(testAccuracy !== undefined && testAccuracy >= 0.85, `${testAccuracy}`);
    await workbench.panel('training');
    await workbench.screenshot('sample-training');
  });

  it('stops measuring when that is cancelled, and measures when asked again', async function () {
    const workbench = await Workbench.of(this);
    const runDirectory = path.join(runsDirectory(), run);
    const stored = (epoch: number): string =>
      path.join(runDirectory, 'inspections', `epoch-000${epoch}.test.json`);
    let panel = await workbench.panel('training');
    let cancelled = 0;
    // A quick machine may have measured before the click comes: then the next epoch, which is not measured yet.
    for (let epoch = 1; epoch <= 5 && cancelled === 0; epoch++) {
      assert.ok(!existsSync(stored(epoch)), 'not measured yet');
      await vscode.commands.executeCommand('dcnet.restartEngine'); // it takes a while to start: time to cancel
      const opened = vscode.commands.executeCommand('dcnet.inspectLayers', {
        runDirectory,
        checkpoint: path.join(runDirectory, 'checkpoints', `epoch-000${epoch}.dcnet.safetensors`),
      });
      panel = await workbench.panel('layer');
      const told = panel.getByText(/cancelled/i).first();
      try {
        const button = panel.getByRole('button', { name: /cancel/i });
        await button.dispatchEvent('click', undefined, { timeout: 10_000 });
        await told.waitFor({ timeout: 5_000 });
        cancelled = epoch;
      } catch (thrown) {
        await opened;
        if (!existsSync(stored(epoch))) throw thrown; // neither cancelled nor measured
      }
      await opened;
    }
    assert.ok(cancelled > 0, 'one of five measurements could be cancelled');
    assert.ok(!existsSync(stored(cancelled)));
    await workbench.screenshot('cancelled');

    await panel.getByRole('button', { name: /again|retry/i }).click();
    await panel.locator('[role="option"]').filter({ hasText: 'conv3' }).waitFor();
    await until('the measurement is kept', () => existsSync(stored(cancelled)));
    await workbench.screenshot('sample-layers');
  });

  it('has errors, each with a verdict', async function () {
    const workbench = await Workbench.of(this);
    await vscode.commands.executeCommand('workbench.action.closeSidebar'); // room for both, for the pictures
    await vscode.commands.executeCommand('dcnet.explainErrors', config());
    const panel = await workbench.panel('errors');
    await panel.locator('.one-error h2', { hasText: 'Test image' }).first().waitFor({ timeout: 60_000 });
    await until('thumbnails', async () => (await panel.locator('.thumbnail canvas').count()) > 0);
    await workbench.screenshot('sample-errors');
  });

  it('changed from its first epoch to its last', async function () {
    const workbench = await Workbench.of(this);
    const files = ['epoch-0001', 'epoch-0006'].map((name) =>
      vscode.Uri.file(path.join(runsDirectory(), run, 'checkpoints', `${name}.dcnet.safetensors`)),
    );
    await vscode.commands.executeCommand('dcnet.compareSelected', files[0], files);
    const panel = await workbench.panel('diff');
    await panel.locator('[role="option"]').filter({ hasText: 'conv3' }).waitFor({ timeout: 60_000 });
    await panel.getByText(/CKA/).first().waitFor({ timeout: 60_000 });
    await workbench.screenshot('sample-diff');
    await vscode.commands.executeCommand('workbench.action.toggleSidebarVisibility');
  });

  it('has a doctor who says what runs here', async () => {
    await vscode.commands.executeCommand('dcnet.doctor');
    const text = vscode.window.activeTextEditor?.document.getText() ?? '';
    assert.match(text, /\*\*wasm\*\*: works/);
    assert.match(text, /auto` chooses \*\*\w+\*\*: auto: /);
    assert.match(text, /Engines run in Node\.js \d+\.\d+\.\d+: .*, (found on the PATH|VS Code’s own)/);
    assert.match(text, /## In use\n\n\w+ \d[\d.]* on .*\n\n- Chosen by auto: .*\n- Not \w+: /);
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
  });
});
