import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { writeBars } from './support/bars.js';
import { inWorkspace } from './support/extension.js';
import { newRun, startAfresh, untilStatus } from './support/runs.js';
import { until } from './support/until.js';
import { eachBuildsOnTheLast, Workbench } from './support/workbench.js';

const command = (id: string, argument?: unknown) => vscode.commands.executeCommand(`dcnet.${id}`, argument);

async function setSetting(name: 'backend' | 'workers', value: string | number | undefined): Promise<void> {
  const { Global } = vscode.ConfigurationTarget;
  await vscode.workspace.getConfiguration('dcnet').update(name, value, Global);
}

/** What the status bar's item tells under the pointer. */
async function tooltip({ page, statusBar }: Workbench): Promise<string> {
  return until('the tooltip', async () => {
    await page.mouse.move(0, 0);
    await statusBar.hover();
    const hover = page.locator('.monaco-hover').filter({ hasText: 'Trainings are computed by' });
    await hover.first().waitFor({ timeout: 3_000 });
    return hover.first().innerText({ timeout: 1_000 }); // it may have gone again
  });
}

describe('What computes, in the status bar', () => {
  eachBuildsOnTheLast();
  let window: Workbench | undefined;

  before(async () => {
    await startAfresh();
    writeBars(inWorkspace('bars'));
  });
  after(async () => {
    for (const name of ['backend', 'workers'] as const) await setSetting(name, undefined);
    await window?.page.close();
  });

  it('is told when no run is under way: device, why it was chosen, and why each other one was not', async function () {
    const workbench = await Workbench.of(this);
    const run = await newRun(() => command('train', vscode.Uri.file(inWorkspace('small.dcnet.json'))));
    await untilStatus(run, 'completed');
    await until('the runtime', async () => (await workbench.statusBar.innerText()).trim() === 'DCNet wasm');
    const text = await tooltip(workbench);
    assert.match(
      text,
      /Trainings are computed by wasm [\d.]+ on CPU \(WebAssembly[^)]*\), (one thread|\d threads)\./,
    );
    assert.match(text, /Chosen by /);
    for (const other of ['tensorflow', 'webgpu', 'cpu']) assert.match(text, new RegExp(`Not ${other}: .`));
    await workbench.screenshot('runtime');
  });

  it('opens the doctor', async function () {
    const workbench = await Workbench.of(this);
    await workbench.statusBar.click();
    await until(
      'the doctor',
      () => vscode.window.activeTextEditor?.document.getText().startsWith('# DCNet Doctor') === true,
    );
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  it('is told without an engine, as it was last chosen with these settings', async function () {
    const workbench = await Workbench.of(this);
    await command('restartEngine');
    await until('no engine is there', async () =>
      /, as when an engine was last started \(.+\)\./.test(await tooltip(workbench)),
    );
    for (const [name, value] of [
      ['backend', 'cpu'],
      ['workers', 3],
    ] as const) {
      await setSetting(name, value);
      await workbench.statusBar.waitFor({ state: 'hidden' });
      await setSetting(name, undefined);
      await workbench.statusBar.waitFor();
    }
  });

  it('is told in another window, which starts no engine for it', async function () {
    const workbench = await Workbench.of(this);
    window = await workbench.anotherWindow();
    await window.statusBar.waitFor();
    assert.equal((await window.statusBar.innerText()).trim(), 'DCNet wasm');
    assert.match(await tooltip(window), /, as when an engine was last started \(/);
    await window.screenshot('runtime-another-window');
  });
});
