import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';
import { writeBars } from './support/bars.js';
import { inWorkspace } from './support/extension.js';
import { skip } from './support/run.js';
import { newRun, runsDirectory, startAfresh, untilStatus } from './support/runs.js';
import { until } from './support/until.js';
import { eachBuildsOnTheLast, Workbench } from './support/workbench.js';

const command = (id: string, ...args: unknown[]) => vscode.commands.executeCommand(`dcnet.${id}`, ...args);

describe('Comparing checkpoints', () => {
  eachBuildsOnTheLast();
  let first = '';
  let second = '';
  const checkpoint = (run: string, name: string): vscode.Uri =>
    vscode.Uri.file(path.join(runsDirectory(), run, 'checkpoints', `${name}.dcnet.safetensors`));
  const row = (run: string, name?: string) => ({
    runDirectory: path.join(runsDirectory(), run),
    ...(name === undefined ? {} : { checkpoint: checkpoint(run, name).fsPath }),
  });

  before(async () => {
    await startAfresh();
    writeBars(inWorkspace('bars'));
    first = await newRun(() => command('train', vscode.Uri.file(inWorkspace('small.dcnet.json'))));
    await untilStatus(first, 'completed');
    const other = readFileSync(inWorkspace('small.dcnet.json'), 'utf8')
      .replace('"filters": 6', '"filters": 8')
      .replace('"epochs": 3', '"epochs": 2');
    writeFileSync(inWorkspace('wider.dcnet.json'), other);
    second = await newRun(() => command('train', vscode.Uri.file(inWorkspace('wider.dcnet.json'))));
    await untilStatus(second, 'completed');
  });

  /** The panel, once both networks have been run. */
  async function compared(workbench: Workbench, ...texts: readonly string[]) {
    const panel = await workbench.panel('diff');
    await until(`${texts} in the panel`, async () => {
      const text = await panel.locator('main').innerText();
      return /McNemar’s test|Not one of/.test(text) && texts.every((part) => text.includes(part));
    });
    return panel;
  }

  it('takes two files that are selected together', async function () {
    const workbench = await Workbench.of(this);
    const [a, b] = [checkpoint(first, 'epoch-0001'), checkpoint(first, 'epoch-0003')];
    await command('compareSelected', a, [a, b]);
    const panel = await compared(
      workbench,
      `A ${first} / epoch-0001`,
      `B ${first} / epoch-0003`,
      'The configs are the same',
    );
    for (const name of ['conv1', 'conv2', 'dense1'])
      await panel.locator('[role="option"]').filter({ hasText: name }).waitFor();
    await workbench.screenshot('diff-panel');
  });

  it('swaps A and B', async function () {
    const workbench = await Workbench.of(this);
    const panel = await workbench.panel('diff');
    await panel.getByRole('button', { name: 'Swap A and B' }).click();
    await compared(workbench, `A ${first} / epoch-0003`, `B ${first} / epoch-0001`);
  });

  it('remembers the selected one, and compares a run of another architecture with it', async function () {
    const workbench = await Workbench.of(this);
    await command('selectForCompare', row(first, 'best'));
    await command('compareWithSelected', row(second));
    await compared(workbench, `A ${first} / best`, `B ${second} / epoch-0002`, 'layers.conv2.filters');
    await workbench.screenshot('diff-panel-other');
  });

  it('shows both configs in VS Code’s own diff editor', async function () {
    const workbench = await Workbench.of(this);
    const panel = await workbench.panel('diff');
    await panel.getByRole('button', { name: 'Open Configs Side by Side' }).click();
    const input = await until('the diff editor', () => {
      const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
      return tabs.map((tab) => tab.input).find((one) => one instanceof vscode.TabInputTextDiff);
    });
    assert.equal(input.original.scheme, 'dcnet-config');
    const [a, b] = await Promise.all(
      [input.original, input.modified].map(async (uri) =>
        (await vscode.workspace.openTextDocument(uri)).getText(),
      ),
    );
    assert.equal(a, readFileSync(inWorkspace('small.dcnet.json'), 'utf8'));
    assert.equal(b, readFileSync(inWorkspace('wider.dcnet.json'), 'utf8'));
    await workbench.screenshot('diff-configs');
  });

  it('asks for both from the palette', async function () {
    const workbench = await Workbench.of(this);
    await workbench.palette('DCNet: Compare Checkpoints…');
    const choose = async (placeHolder: string, text: string): Promise<void> => {
      const widget = workbench.page.locator('.quick-input-widget:visible');
      const input = widget.locator(`input[placeholder^="${placeHolder}"]`);
      await input.waitFor();
      await input.fill(text);
      await widget.locator('.monaco-list-row').filter({ hasText: text }).first().waitFor();
      await workbench.page.keyboard.press('Enter');
    };
    await choose('A:', 'epoch-0001');
    await choose('B:', 'best');
    await compared(workbench, ' / epoch-0001', ' / best');
  });

  it('is offered where two rows of the runs’ tree are selected, and where one is', async function () {
    const workbench = await Workbench.of(this);
    const { page, runRows } = workbench;
    await vscode.commands.executeCommand('dcnet.runs.focus');
    await runRows.filter({ hasText: second }).first().click();
    await page.keyboard.press('ArrowRight');
    const earlier = runRows.filter({ hasText: 'epoch-0001' }).first();
    const later = runRows.filter({ hasText: 'epoch-0002' }).first();
    const entry = (name: string) =>
      page.locator('.context-view .action-label').filter({ hasText: new RegExp(`^${name}$`) });
    const choose = async (name: string): Promise<void> => {
      await entry(name).waitFor();
      await delay(300); // VS Code's menus do not hear the mouse in their first tenth of a second
      await entry(name).click();
    };
    await earlier.waitFor();

    await earlier.click({ button: 'right' });
    await entry('Select for DCNet Compare').waitFor();
    assert.equal(await entry('Compare Selected').count(), 0);
    await workbench.screenshot('compare-menu');
    await choose('Select for DCNet Compare');
    await later.click({ button: 'right' });
    await choose('Compare with Selected');
    await compared(workbench, `A ${second} / epoch-0001`, `B ${second} / epoch-0002`);

    await later.click();
    await earlier.click({ modifiers: ['ControlOrMeta'] });
    await earlier.click({ button: 'right' });
    await choose('Compare Selected');
    await compared(workbench, `A ${second} / epoch-0002`, `B ${second} / epoch-0001`);
  });

  it('tells what cannot be compared', async function () {
    const workbench = await Workbench.of(this);
    const one = checkpoint(first, 'best');
    await command('compareSelected', one, [one]);
    await workbench.notification('Two checkpoints can be compared, but 1 are selected');
    await vscode.commands.executeCommand('notifications.clearAll');
  });

  it('compares a committed version with the one in the folder, and removes its copy', async function () {
    if (vscode.extensions.getExtension('vscode.git') === undefined)
      skip(this, 'this VS Code has no Git extension');
    const workbench = await Workbench.of(this);
    const folder = inWorkspace('kept');
    mkdirSync(folder, { recursive: true });
    const file = path.join(folder, 'model.dcnet.safetensors');
    copyFileSync(checkpoint(first, 'epoch-0001').fsPath, file);
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: folder });
    git('init', '-q');
    git('add', '.');
    git('commit', '-qm', 'a model');
    copyFileSync(checkpoint(first, 'epoch-0003').fsPath, file);
    // The data are beside the config: a copy elsewhere finds them only through the bars' own folder.
    await vscode.commands.executeCommand('git.openRepository', folder);
    const copies = () => readdirSync(tmpdir()).filter((name) => name.startsWith('dcnet-committed-'));
    const before = copies();
    await command('compareWithCommitted', { resourceUri: vscode.Uri.file(file) });
    const panel = await workbench.panel('diff');
    await until('the committed version', async () =>
      (await panel.locator('main').innerText()).includes('A model (HEAD)'),
    );
    const [copy, ...others] = copies().filter((name) => !before.includes(name));
    assert.ok(copy !== undefined && others.length === 0);
    await workbench.screenshot('diff-committed');

    const window = await workbench.anotherWindow();
    const restored = await window.panel('diff');
    await until('the committed version after a reload', async () =>
      (await restored.locator('main').innerText()).includes('A model (HEAD)'),
    );
    await window.page.close();
    await command('compareSelected', checkpoint(first, 'best'), [
      checkpoint(first, 'best'),
      checkpoint(first, 'epoch-0001'),
    ]);
    await compared(workbench, ' / epoch-0001');
    await until('the copy is gone', () => !copies().includes(copy)); // the other window keeps its own
    assert.ok(existsSync(file));
  });
});
