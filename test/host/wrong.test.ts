import assert from 'node:assert/strict';
import { copyFileSync, existsSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { writeBars } from './support/bars.js';
import { writeConfig } from './support/configs.js';
import { inWorkspace, openInEditor } from './support/extension.js';
import { skip } from './support/run.js';
import { newRun, runNames, runsDirectory, untilStatus } from './support/runs.js';
import { until } from './support/until.js';
import { pictureFailures, Workbench } from './support/workbench.js';

const command = (id: string, argument?: unknown) => vscode.commands.executeCommand(`dcnet.${id}`, argument);

describe('What goes wrong', () => {
  pictureFailures();
  before(() => vscode.commands.executeCommand('dcnet.runs.focus'));
  afterEach(() => vscode.commands.executeCommand('notifications.clearAll'));

  it('a data set that is not there: in the config, and when it is trained', async function () {
    const workbench = await Workbench.of(this);
    const config = writeConfig('nowhere', ['"bars"', '"nowhere"']);
    const { document } = await openInEditor(config.fsPath);
    const problem = await until('a diagnostic at the path', () =>
      vscode.languages
        .getDiagnostics(config)
        .find(({ range }) => document.getText(range).includes('"nowhere"')),
    );
    assert.match(problem.message, /folder does not exist/);
    const before = runNames();
    await command('train', config);
    const notification = await workbench.notification(/folder does not exist/);
    await notification.getByText('Show Log').waitFor();
    await workbench.screenshot('missing-data');
    assert.deepEqual(runNames(), before, 'nothing is written');
  });

  it('a config with an error: the message leads to its place', async function () {
    const workbench = await Workbench.of(this);
    const config = writeConfig('slip', ['"filters": 6', '"filters": "six"']);
    await command('train', config);
    const notification = await workbench.notification(/slip\.dcnet\.json:8:\d+: layers\[2\]\.filters/);
    await notification.getByText('Open Config').click();
    await until(
      'the cursor is at the error',
      () =>
        vscode.window.activeTextEditor?.document.uri.fsPath === config.fsPath &&
        vscode.window.activeTextEditor.selection.active.line === 7,
    );
  });

  it('a runtime that this machine lacks the means for: the message says what, and nothing is left', async function () {
    if (existsSync('/usr/bin/nvidia-smi'))
      skip(this, 'this machine has an NVIDIA driver: the set-up would go on');
    const workbench = await Workbench.of(this);
    await workbench.palette('DCNet: Set Up TensorFlow Runtime');
    await workbench.page.locator('.quick-input-list').getByText('TensorFlow for NVIDIA GPUs').click();
    const notification = await workbench.notification(/NVIDIA driver/);
    assert.match((await notification.textContent()) ?? '', /missing/);
    await workbench.screenshot('runtime-missing');
  });

  it('a damaged checkpoint: the panel says which file, and lives on', async function () {
    const workbench = await Workbench.of(this);
    writeBars(inWorkspace('bars'));
    const run = await newRun(() => command('train', writeConfig('damage', ['"epochs": 3', '"epochs": 1'])));
    await untilStatus(run, 'completed');
    const folder = path.join(runsDirectory(), run);
    const checkpoints = path.join(folder, 'checkpoints');
    const damaged = path.join(checkpoints, 'cut.dcnet.safetensors');
    copyFileSync(path.join(checkpoints, 'epoch-0001.dcnet.safetensors'), damaged);
    truncateSync(damaged, 3000);
    await command('inspectLayers', { runDirectory: folder, checkpoint: damaged });
    const panel = await workbench.panel('layer');
    await panel
      .getByText(/cut\.dcnet\.safetensors/)
      .first()
      .waitFor();
    await workbench.screenshot('damaged-checkpoint');

    await command('inspectLayers', {
      runDirectory: folder,
      checkpoint: path.join(checkpoints, 'epoch-0001.dcnet.safetensors'),
    });
    await panel.locator('[role="option"]').filter({ hasText: 'conv1' }).waitFor();
    rmSync(damaged);
  });

  it('half-written files of a run: the others are shown', async function () {
    const workbench = await Workbench.of(this);
    const half = inWorkspace('runs', 'half');
    await vscode.workspace.fs.createDirectory(vscode.Uri.file(half));
    writeFileSync(path.join(half, 'state.json'), '{ "name": "ha');
    await command('refreshRuns');
    await workbench.runRows.filter({ hasText: 'damage-001' }).waitFor();
    assert.equal(await workbench.runRows.filter({ hasText: 'half' }).count(), 0);
    assert.ok(existsSync(half));
    rmSync(half, { recursive: true });
  });

  it('a run whose process died is shown as stopped', async function () {
    const workbench = await Workbench.of(this);
    const dead = inWorkspace('runs', 'dead');
    await vscode.workspace.fs.createDirectory(vscode.Uri.file(dead));
    writeFileSync(
      path.join(dead, 'state.json'),
      JSON.stringify({
        name: 'dead',
        status: 'running',
        pid: 2 ** 30, // above every process id
        step: 5,
        totalSteps: 10,
        epoch: 1,
        epochs: 2,
        updatedAt: new Date().toISOString(),
      }),
    );
    const row = workbench.runRows.filter({ hasText: 'dead' });
    await row.filter({ hasText: 'stopped' }).waitFor(); // seen without being told: the folder is watched
    rmSync(dead, { recursive: true });
    await row.waitFor({ state: 'detached' });
  });
});
