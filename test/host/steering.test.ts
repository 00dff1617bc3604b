import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';
import { answering } from './support/answers.js';
import { writeBars } from './support/bars.js';
import { writeLongConfig } from './support/configs.js';
import { inWorkspace, openInEditor } from './support/extension.js';
import { newRun, readState, runsDirectory, untilStatus } from './support/runs.js';
import { until } from './support/until.js';
import { eachBuildsOnTheLast, Workbench } from './support/workbench.js';

const command = (id: string, argument?: unknown) => vscode.commands.executeCommand(`dcnet.${id}`, argument);

describe('Steering runs', () => {
  eachBuildsOnTheLast();
  let first = '';
  let second = '';
  const target = (run: string) => ({ runDirectory: path.join(runsDirectory(), run) });

  before(async () => {
    writeBars(inWorkspace('bars'));
    await vscode.commands.executeCommand('dcnet.runs.focus');
  });
  after(async () => {
    for (const run of [first, second].filter((name) => name !== '' && existsSync(target(name).runDirectory)))
      if (readState(run).status === 'running') await command('stopRun', target(run));
  });

  it('shows epoch, loss and runtime of the run under way in the status bar', async function () {
    const workbench = await Workbench.of(this);
    const config = writeLongConfig('long');
    await openInEditor(config.fsPath);
    first = await newRun(() => command('train', config));
    await untilStatus(first, 'running');
    await until('epoch, loss and runtime', async () =>
      /DCNet epoch \d+\/100000 · loss \d[\d.e-]* · wasm/.test(await workbench.statusBar.innerText()),
    );
    await workbench.screenshot('running');
  });

  it('pauses', async function () {
    const workbench = await Workbench.of(this);
    await workbench.palette('DCNet: Pause Training');
    await untilStatus(first, 'paused');
    const { step } = readState(first);
    await until('the status bar says so', async () =>
      (await workbench.statusBar.innerText()).includes('paused'),
    );
    await workbench.runRows.filter({ hasText: first }).filter({ hasText: 'paused' }).waitFor();
    await delay(500);
    assert.equal(readState(first).step, step);
    await workbench.screenshot('paused');
  });

  it('queues a second run and says so', async function () {
    const workbench = await Workbench.of(this);
    second = await newRun(() => command('train', vscode.Uri.file(inWorkspace('small.dcnet.json'))));
    await untilStatus(second, 'queued');
    await workbench.notification(`${second} is queued, place 1`);
    await workbench.runRows.filter({ hasText: second }).filter({ hasText: 'queued, place 1' }).waitFor();
    await until('the status bar says so', async () =>
      (await workbench.statusBar.innerText()).includes('1 queued'),
    );
    await workbench.screenshot('queued');
    await vscode.commands.executeCommand('notifications.clearAll');
  });

  it('goes on where it paused', async () => {
    const { step } = readState(first);
    await command('continueRun', target(first));
    await untilStatus(first, 'running');
    await until('more steps', () => readState(first).step > step);
  });

  it('stops with a checkpoint, and starts the run that waited', async () => {
    await command('stopRun', target(first));
    await untilStatus(first, 'stopped');
    await untilStatus(second, 'completed');
  });

  it('resumes from the checkpoint', async () => {
    const { step } = readState(first);
    await command('resumeRun', target(first));
    await untilStatus(first, 'running');
    const resumed = await until('more steps', () => {
      const state = readState(first);
      return state.step > step && state;
    });
    assert.ok(resumed.epoch >= 1);
    await command('stopRun', target(first));
    await untilStatus(first, 'stopped');
  });

  it('refuses to rename or delete a run under way', async function () {
    const workbench = await Workbench.of(this);
    await command('resumeRun', target(first));
    await untilStatus(first, 'running');
    await command('rename', target(first));
    await workbench.notification(/files are in use.*Stop it first/);
    await command('stopRun', target(first));
    await untilStatus(first, 'stopped');
    await vscode.commands.executeCommand('notifications.clearAll');
  });

  it('renames a run', async function () {
    const workbench = await Workbench.of(this);
    void command('rename', target(second));
    const input = workbench.page.locator('.quick-input-widget input.input');
    await input.waitFor();
    await input.fill('a/b');
    await workbench.page.getByText('letters, digits, spaces').waitFor();
    await input.fill('renamed');
    await workbench.page.keyboard.press('Enter');
    await until('the folder has its new name', () => existsSync(target('renamed').runDirectory));
    assert.ok(!existsSync(target(second).runDirectory));
    await workbench.runRows.filter({ hasText: 'renamed' }).waitFor();
    second = 'renamed';
  });

  it('deletes a run when that is confirmed', async function () {
    const { runDirectory } = target(second);
    const [question] = await answering(this, [undefined], () => command('delete', target(second)));
    assert.match(question?.message ?? '', /Delete the run renamed with its checkpoints\?/);
    assert.equal(question?.detail, runDirectory);
    assert.ok(existsSync(runDirectory), 'cancelled: nothing is deleted');

    // Where there is no trash, deleting for good is asked for by itself.
    await answering(this, ['Move to Trash', 'Delete Permanently'], () => command('delete', target(second)));
    assert.ok(!existsSync(runDirectory));
    const workbench = await Workbench.of(this);
    await workbench.runRows.filter({ hasText: 'renamed' }).waitFor({ state: 'detached' });
  });
});
