import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import { parseMetrics } from '../../src/core/run/metrics.js';
import { isOver, runFiles } from '../../src/core/run/run.js';
import { findNode } from '../../src/host/engine/nodeProgram.js';
import { writeBars } from './support/bars.js';
import { writeConfig, writeLongConfig } from './support/configs.js';
import { inWorkspace } from './support/extension.js';
import { skip } from './support/run.js';
import { newRun, readState, readSummary, runNames, runsDirectory, untilStatus } from './support/runs.js';
import { until } from './support/until.js';
import { pictureFailures, Workbench } from './support/workbench.js';

const command = (id: string, argument?: unknown) => vscode.commands.executeCommand(`dcnet.${id}`, argument);

async function set(name: 'nodePath' | 'backend', value: string | undefined): Promise<void> {
  const { Global } = vscode.ConfigurationTarget;
  await vscode.workspace.getConfiguration('dcnet').update(name, value, Global);
  await command('restartEngine');
}

const setNodePath = (value: string | undefined) => set('nodePath', value);
const setBackend = (value: string | undefined) => set('backend', value);

describe('Failures of the engine and its runtime', () => {
  pictureFailures();
  let folder = '';

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'dcnet-failures-'));
    writeBars(inWorkspace('bars'));
  });
  afterEach(() => vscode.commands.executeCommand('notifications.clearAll'));
  after(async () => {
    await setNodePath(undefined);
    rmSync(folder, { recursive: true, force: true });
  });

  /** A program that runs this Node.js with more, as `dcnet.nodePath` may name it. */
  function writeProgram(name: string, line: string): string {
    const file = path.join(folder, name);
    writeFileSync(file, `#!/bin/sh\n${line}\n`);
    chmodSync(file, 0o755);
    return file;
  }

  for (const signal of ['SIGSEGV', 'SIGKILL'] as const)
    it(`a crash by ${signal} is told with its cause, and its button goes on from the newest checkpoint`, async function () {
      if (process.platform === 'win32') skip(this, 'Windows has no signals');
      const workbench = await Workbench.of(this);
      const run = await newRun(() => command('train', writeLongConfig(`crash-${signal.toLowerCase()}`)));
      const { pid } = await until('an epoch', () => {
        const state = readState(run);
        return state.epoch > 1 && state;
      });
      process.kill(pid!, signal);
      const notification = await workbench.notification(
        new RegExp(`ended unexpectedly \\(${signal}\\) while it trained ${run}`),
      );
      await workbench.screenshot(`crash-${signal}`);
      const isKill = signal === 'SIGKILL';
      const text = (await notification.textContent()) ?? '';
      assert.equal(/the operating system ended it for lack of memory/.test(text), isKill, text);
      assert.equal(/less with a smaller batch/.test(text), isKill, text);
      if (isKill) assert.doesNotMatch(text, /last words/);
      await notification.getByText(isKill ? 'Halve and Resume' : 'Resume', { exact: true }).click();
      const resumed = await until('it goes on', () => {
        const state = readState(run);
        return state.status === 'running' && state.pid !== pid && state;
      });
      assert.ok(resumed.epoch > 1, 'from a checkpoint');
      assert.equal(resumed.batch?.parts, isKill ? 2 : 1);
      await command('stopRun', { runDirectory: path.join(runsDirectory(), run) });
      await untilStatus(run, 'stopped');
    });

  it('from its second crash on a runtime can be left for WebAssembly, for that run alone', async function () {
    if (process.platform === 'win32') skip(this, 'Windows has no signals');
    const workbench = await Workbench.of(this);
    await setBackend('cpu');
    try {
      const config = writeConfig('crash-twice', ['"epochs": 3', '"epochs": 100000']);
      const run = await newRun(() => command('train', config));
      const target = { runDirectory: path.join(runsDirectory(), run) };
      let pid: number | undefined;
      const crash = async () => {
        const running = await until('it runs on, from a checkpoint', () => {
          const state = readState(run);
          return state.status === 'running' && state.pid !== pid && state.epoch > 1 && state;
        });
        assert.equal(running.backend, 'cpu');
        pid = running.pid;
        process.kill(pid!, 'SIGABRT');
        return workbench.notification(
          new RegExp(`ended unexpectedly \\(SIGABRT\\) while it trained ${run} with cpu [\\d.]+ on CPU`),
        );
      };
      const first = await crash();
      assert.doesNotMatch((await first.textContent()) ?? '', /WebAssembly/);
      await first.getByText('Resume', { exact: true }).click();
      const second = await crash();
      await workbench.screenshot('crash-twice');
      assert.match((await second.textContent()) ?? '', /With cpu that has happened 2 times now/);
      await second.getByText('Resume on WebAssembly', { exact: true }).click();
      const resumed = await until('it goes on', () => {
        const state = readState(run);
        return state.status === 'running' && state.pid !== pid && state;
      });
      assert.equal(resumed.runtime?.name, 'wasm');
      assert.ok(resumed.epoch > 1, 'from a checkpoint');
      const { records } = parseMetrics(
        readFileSync(path.join(target.runDirectory, runFiles.metrics), 'utf8'),
      );
      const last = records.findLast((record) => record.type === 'event');
      assert.match(
        (last?.type === 'event' && last.message) || '',
        /^wasm, .*; it was started on cpu; cpu had ended the engine’s process 2 times, last with SIGABRT$/,
      );
      await command('stopRun', target);
      await untilStatus(run, 'stopped');
      const next = await newRun(() => command('train', vscode.Uri.file(inWorkspace('small.dcnet.json'))));
      assert.equal((await untilStatus(next, 'completed')).runtime?.name, 'cpu', 'as the settings name');
    } finally {
      await setBackend(undefined);
    }
  });

  it('a wrong dcnet.nodePath is told by name, and nothing is started', async function () {
    const workbench = await Workbench.of(this);
    await setNodePath(path.join(folder, 'nowhere'));
    const before = runNames();
    await command('train', vscode.Uri.file(inWorkspace('small.dcnet.json')));
    await workbench.notification(/The setting dcnet\.nodePath names .*nowhere, which cannot be run/);
    assert.deepEqual(runNames(), before);
  });

  it('a Node.js is found by the setting, on the PATH, or is VS Code’s own', async function () {
    if (process.platform === 'win32') skip(this, 'the programs of this test are shell scripts');
    const old = writeProgram('old', 'echo v18.20.1');
    await assert.rejects(findNode(old), /dcnet\.nodePath names .*old, which is Node\.js 18\.20\.1/);
    const other = writeProgram('other', 'echo hello');
    await assert.rejects(findNode(other), /which is not Node\.js/);
    const fresh = writeProgram('fresh', 'echo v99.1.0');
    assert.deepEqual(await findNode(fresh), {
      path: fresh,
      version: '99.1.0',
      origin: 'from the setting dcnet.nodePath',
    });

    const before = process.env.PATH;
    try {
      process.env.PATH = path.join(folder, 'empty');
      assert.match((await findNode('')).origin, /VS Code’s own/);
      assert.equal((await findNode('')).path, process.execPath);
      // The first on the PATH that is new enough.
      for (const [name, version] of [
        ['a', '18.0.0'],
        ['b', '22.3.0'],
      ] as const) {
        await vscode.workspace.fs.createDirectory(vscode.Uri.file(path.join(folder, name)));
        writeProgram(path.join(name, 'node'), `echo v${version}`);
      }
      process.env.PATH = ['a', 'b'].map((name) => path.join(folder, name)).join(path.delimiter);
      assert.deepEqual(await findNode(''), {
        path: path.join(folder, 'b', 'node'),
        version: '22.3.0',
        origin: 'found on the PATH',
      });
    } finally {
      process.env.PATH = before;
    }
  });

  it('a batch that does not fit into memory is halved when the question is answered so', async function () {
    if (process.platform === 'win32') skip(this, 'the program of this test is a shell script');
    const workbench = await Workbench.of(this);
    // 32 MiB for the WebAssembly backend.
    const node = (await findNode('')).path;
    await setNodePath(writeProgram('little', `exec "${node}" --wasm-max-mem-pages=512 "$@"`));
    const config = writeConfig(
      'wide',
      ['"filters": 4', '"filters": 40'],
      ['"batch": 20', '"batch": 400'],
      ['"epochs": 3', '"epochs": 1'],
    );
    const run = await newRun(() => command('train', config));
    await vscode.commands.executeCommand('workbench.action.closeAllEditors'); // who sees its panel knows that it failed
    for (let parts = 2; ; parts *= 2) {
      const question = await workbench.notification(
        `each batch of 400 in ${parts} parts of ${400 / parts} images?`,
      );
      assert.match((await question.textContent()) ?? '', /did not fit into the memory of wasm/);
      assert.equal(readState(run).error?.code, 'memory');
      await workbench.screenshot(`halve-${parts}`);
      await question.getByText('Halve and Resume').click();
      const state = await until('it is over again', () => {
        const now = readState(run);
        return isOver(now.status) && now.batch?.parts === parts && now;
      });
      if (state.status === 'completed') break;
      assert.equal(state.error?.code, 'memory');
    }
    assert.ok((readSummary(run).batch?.parts ?? 1) > 1);
    await until('its failure is no longer news', async () =>
      (await workbench.statusBar.innerText()).includes('DCNet wasm'),
    );
  });
});
