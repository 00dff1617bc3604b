import assert from 'node:assert/strict';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Locator } from 'playwright-core';
import * as vscode from 'vscode';
import { writeBars } from './support/bars.js';
import { extension, inWorkspace, openInEditor } from './support/extension.js';
import { newRun, startAfresh, untilStatus } from './support/runs.js';
import { until } from './support/until.js';
import { eachBuildsOnTheLast, Workbench } from './support/workbench.js';

interface Manifest {
  readonly contributes: {
    readonly commands: readonly { readonly command: string; readonly title: string }[];
    readonly menus: {
      readonly commandPalette: readonly { readonly command: string; readonly when: string }[];
    };
  };
}

/** On whether the workspace lies in a repository, and on whether a checkpoint was selected before. */
const dependent = new Set(['dcnet.compareWithCommitted', 'dcnet.compareWithSelected']);

/** What somebody sees who has trained one network and reads nothing. */
describe('A new user finds', () => {
  eachBuildsOnTheLast();
  let run = '';

  before(async () => {
    await startAfresh();
    writeBars(inWorkspace('bars'));
    const config = inWorkspace('small.dcnet.json');
    await openInEditor(config);
    run = await newRun(() => vscode.commands.executeCommand('dcnet.train', vscode.Uri.file(config)));
    await untilStatus(run, 'completed');
  });

  /** The entries of the menu that a right click opens, which is closed again. */
  async function menuOf({ page }: Workbench, row: Locator): Promise<string[]> {
    // What is told of a row that the mouse rests on would lie over the others.
    await page.mouse.move(0, 0);
    await row.click({ button: 'right' });
    const entries = page.locator('.context-view .action-label');
    await entries.first().waitFor();
    const labels = await entries.allInnerTexts();
    await page.keyboard.press('Escape');
    return labels.filter((label) => label !== '');
  }

  const includes = (labels: readonly string[], ...wanted: readonly string[]): void =>
    assert.deepEqual(
      wanted.filter((label) => !labels.includes(label)),
      [],
      labels.join(', '),
    );

  it('in the palette every command that makes sense now, and no other', async function () {
    const { page } = await Workbench.of(this);
    const { commands, menus } = extension().packageJSON.contributes as Manifest['contributes'];
    const hidden = new Set(menus.commandPalette.map(({ command }) => command));
    const input = page.locator('.quick-input-widget input.input').first();
    for (const { command, title } of commands) {
      if (dependent.has(command)) continue;
      const row = page.locator(`.quick-input-list .monaco-list-row[aria-label^="DCNet: ${title}"]`).first();
      const isOffered = async (): Promise<boolean> => {
        await page.keyboard.press('F1');
        await input.fill(`>DCNet: ${title}`);
        await delay(200); // the list follows what is typed a moment later
        const found = await row.isVisible();
        await page.keyboard.press('Escape');
        return found;
      };
      // What is possible is told a moment after it changed.
      await until(title, async () => (await isOffered()) !== hidden.has(command));
    }
  });

  it('at a config’s tab how to train it and how to look into it', async function () {
    const { page } = await Workbench.of(this);
    await openInEditor(inWorkspace('small.dcnet.json'));
    for (const title of ['Train DCNet', 'Inspect Layers', 'Explain Errors'])
      await page.locator(`.editor-actions .action-label[aria-label^="${title}"]`).first().waitFor();
  });

  it('in the Explorer what a config and a checkpoint can do', async function () {
    const workbench = await Workbench.of(this);
    const row = (name: string) =>
      workbench.page.locator('.explorer-folders-view .monaco-list-row', { hasText: name }).first();
    const checkpoint = path.join(inWorkspace('runs'), run, 'checkpoints', 'best.dcnet.safetensors');
    await vscode.commands.executeCommand('revealInExplorer', vscode.Uri.file(checkpoint));
    await row('best.dcnet.safetensors').waitFor();
    includes(
      await menuOf(workbench, row('best.dcnet.safetensors')),
      'Inspect Layers',
      'Explain Errors',
      'Export Report…',
      'Select for DCNet Compare',
    );
    await workbench.screenshot('explorer-menu');
    await vscode.commands.executeCommand(
      'revealInExplorer',
      vscode.Uri.file(inWorkspace('small.dcnet.json')),
    );
    includes(
      await menuOf(workbench, row('small.dcnet.json')),
      'Train DCNet',
      'Inspect Layers',
      'Explain Errors',
    );
  });

  it('in the tree of runs what a run and a checkpoint can do', async function () {
    const workbench = await Workbench.of(this);
    await vscode.commands.executeCommand('dcnet.runs.focus');
    const row = workbench.runRows.filter({ hasText: run }).first();
    await row.click();
    const common = ['Inspect Layers', 'Explain Errors', 'Export Report…', 'Select for DCNet Compare'];
    includes(
      await menuOf(workbench, row),
      ...common,
      'Open Training Panel',
      'Open Config',
      'Reveal in Explorer',
      'Rename…',
      'Delete…',
    );
    await workbench.page.keyboard.press('ArrowRight');
    const checkpoint = workbench.runRows.filter({ hasText: 'epoch-0002' }).first();
    await checkpoint.waitFor();
    includes(await menuOf(workbench, checkpoint), ...common, 'Reveal in Explorer');
  });
});
