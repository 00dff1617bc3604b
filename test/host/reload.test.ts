import assert from 'node:assert/strict';
import path from 'node:path';
import * as vscode from 'vscode';
import { writeLongConfig } from './support/configs.js';
import { openInEditor } from './support/extension.js';
import { newRun, readState, runsDirectory, untilStatus } from './support/runs.js';
import { until } from './support/until.js';
import { eachBuildsOnTheLast, Workbench } from './support/workbench.js';

describe('Reload of the window', () => {
  eachBuildsOnTheLast();
  let run = '';
  let window: Workbench;

  before(async () => {
    const config = writeLongConfig('survivor');
    await openInEditor(config.fsPath);
    run = await newRun(() => vscode.commands.executeCommand('dcnet.train', config));
    await untilStatus(run, 'running');
  });
  after(async () => {
    await window?.screenshot('reloaded-end');
    await window?.page.close();
    if (readState(run).status !== 'stopped')
      await vscode.commands.executeCommand('dcnet.stopRun', {
        runDirectory: path.join(runsDirectory(), run),
      });
  });

  it('finds the run under way again', async function () {
    const workbench = await Workbench.of(this);
    const { step, pid } = readState(run);
    window = await workbench.anotherWindow();
    await until('the status bar of the new window', async () =>
      /DCNet epoch \d+\/100000/.test(await window.statusBar.innerText()),
    );
    const now = readState(run);
    assert.ok(now.step > step, 'it went on meanwhile');
    assert.equal(now.pid, pid, 'in the same process');
  });

  it('restores the training panel', async () => {
    const panel = await window.panel('training');
    await panel.getByText(run).first().waitFor();
    await until('live numbers', async () => /\d+ of \d/.test(await panel.locator('main').innerText()));
    await window.screenshot('reloaded');
  });

  it('steers the run from the new window', async () => {
    await window.palette('DCNet: Pause Training');
    await untilStatus(run, 'paused');
    await window.palette('DCNet: Stop Training');
    await untilStatus(run, 'stopped');
  });
});
