import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Locator } from 'playwright-core';
import * as vscode from 'vscode';
import { findNode } from '../../src/host/engine/nodeProgram.js';
import { isAlive } from '../../src/host/engine/presence.js';
import { extension } from './support/extension.js';
import { skip } from './support/run.js';
import { until } from './support/until.js';
import { pictureFailures, Workbench } from './support/workbench.js';

const command = (id: string) => vscode.commands.executeCommand(`dcnet.${id}`);

async function setSetting(name: string, value: string | undefined): Promise<void> {
  const { Global } = vscode.ConfigurationTarget;
  await vscode.workspace.getConfiguration('dcnet').update(name, value, Global);
}

describe('Setting a runtime up', () => {
  pictureFailures();
  /** A machine on whose PATH are only programs of ours, and whose user has nothing yet. */
  let home = '';
  const environment = new Map<string, string | undefined>();
  const setVariable = (name: string, value: string): void => {
    environment.set(name, process.env[name]);
    process.env[name] = value;
  };

  before(async function () {
    if (process.platform === 'win32') skip(this, 'the programs of this test are shell scripts');
    const node = (await findNode('')).path;
    home = mkdtempSync(path.join(tmpdir(), 'dcnet-set-up-'));
    mkdirSync(path.join(home, 'bin'));
    await setSetting('nodePath', node);
    await setSetting('backend', 'wasm');
    setVariable('PATH', path.join(home, 'bin'));
    setVariable('XDG_DATA_HOME', home);
    setVariable('DCNET_RUNTIME', path.join(home, 'data', 'tensorflow'));
    setVariable('DCNET_WEBGPU', path.join(home, 'data', 'webgpu'));
    for (const name of ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES']) setVariable(name, '/nowhere.json');
    await command('restartEngine');
  });
  beforeEach(() => {
    for (const name of ['bin', 'data', 'pids'])
      rmSync(path.join(home, name), { recursive: true, force: true });
    mkdirSync(path.join(home, 'bin'));
  });
  afterEach(() => vscode.commands.executeCommand('notifications.clearAll'));
  after(async () => {
    for (const [name, value] of environment)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    for (const name of ['nodePath', 'backend']) await setSetting(name, undefined);
    await command('restartEngine');
    if (home !== '') rmSync(home, { recursive: true, force: true });
  });

  function program(name: string, script = ''): void {
    const file = path.join(home, 'bin', name);
    writeFileSync(file, `#!/bin/sh\ncase "$*" in *--version*) echo 1.2.3; exit 0;; esac\n${script}\n`);
    chmodSync(file, 0o755);
  }

  /** npm that tells its process id and the engine's, and then works for long. */
  const waits = (): string =>
    `echo half > half-a-library\necho "$$ $PPID" > "${home}/pids"\necho added one of two\n/bin/sleep 600 & wait`;

  const pids = (): { readonly npm: number; readonly engine: number } => {
    const [npm = 0, engine = 0] = readFileSync(path.join(home, 'pids'), 'utf8').split(' ').map(Number);
    return { npm, engine };
  };
  const made = (): readonly string[] => readdirSync(path.join(home, 'data'));

  /** Choose a variant of TensorFlow. */
  async function choose({ page }: Workbench, label: string): Promise<void> {
    const row = page.locator('.quick-input-list .monaco-list-row', { hasText: label });
    await row.waitFor();
    await row.click();
  }

  const button = (notification: Locator, name: string): Locator =>
    notification.locator('.monaco-button', { hasText: name });

  it('of TensorFlow asks which one, and does nothing where none is chosen', async function () {
    const workbench = await Workbench.of(this);
    program('npm', 'echo yes > ../called');
    await workbench.palette('DCNet: Set Up TensorFlow Runtime');
    const rows = workbench.page.locator('.quick-input-list .monaco-list-row');
    for (const label of ['TensorFlow for NVIDIA GPUs', 'TensorFlow for the CPU', 'npm’s prebuilt TensorFlow'])
      await rows.filter({ hasText: label }).waitFor();
    await workbench.screenshot('set-up-choice');
    await workbench.page.keyboard.press('Escape');
    await rows.first().waitFor({ state: 'hidden' });
    assert.ok(!existsSync(path.join(home, 'data')));
  });

  it('of TensorFlow shows how far it is, and leaves nothing when it is cancelled', async function () {
    const workbench = await Workbench.of(this);
    for (const name of ['g++', 'python3']) program(name);
    program('npm', waits());
    const over = command('setUpTensorflow');
    await choose(workbench, 'TensorFlow for the CPU');
    const progress = await workbench.notification(
      /DCNet: TensorFlow for the CPU: Install the binding’s source from npm \(added one of two\)/,
    );
    await workbench.screenshot('set-up-progress');
    assert.match(made().join(), /^tensorflow\.partial-/);
    await button(progress, 'Cancel').click();
    await over;
    assert.deepEqual(made(), []);
    assert.ok(!isAlive(pids().npm), 'npm has ended');
    assert.ok(isAlive(pids().engine), 'the engine goes on');
    await vscode.commands.executeCommand('notifications.showList');
    assert.equal(await workbench.page.locator('.notification-list-item').count(), 0, 'nothing more is said');
  });

  it('of TensorFlow names all that is missing, and how to get it', async function () {
    const workbench = await Workbench.of(this);
    void command('setUpTensorflow');
    await choose(workbench, 'TensorFlow for NVIDIA GPUs');
    const told = await workbench.notification(
      /npm, C\+\+ compiler, Python with pip, NVIDIA driver are missing\./,
    );
    assert.match(
      (await told.textContent()) ?? '',
      /install Node\.js 20 or newer.*apt install g\+\+.*python3-pip/,
    );
    await button(told, 'Doctor').waitFor();
    await workbench.screenshot('set-up-missing');
    assert.ok(!existsSync(path.join(home, 'data')));
  });

  it('of TensorFlow tells what it computes on, and offers to use it', async function () {
    const workbench = await Workbench.of(this);
    // What the trial of a new runtime asks for, with its answers.
    const library = `
      const tensor = { sum: () => tensor, slice: () => tensor, arraySync: () => [[7, 11], [9, 13]], dataSync: () => [4096] };
      const backend = () => ({ binding: { TF_Version: '2.9.1' }, isUsingGpuDevice: false });
      module.exports = { grad: () => () => tensor, tensor2d: () => tensor, fill: () => tensor, matMul: () => tensor, backend };`;
    writeFileSync(path.join(home, 'library.js'), library);
    program(
      'npm',
      `echo "$$ $PPID" > "${home}/pids"
      package=node_modules/@tensorflow/tfjs-node-gpu
      /bin/mkdir -p $package
      /bin/cp "${home}/library.js" $package/index.js
      echo '{ "version": "4.22.0" }' > $package/package.json`,
    );
    void command('setUpTensorflow');
    await choose(workbench, 'npm’s prebuilt TensorFlow');
    const done = await workbench.notification(
      /TensorFlow is set up \(4\.22\.0, TensorFlow 2\.9\.1\) and computes on the CPU \(.*no GPU: .*driver/,
    );
    await workbench.screenshot('set-up-done');
    assert.deepEqual(made(), ['tensorflow']);
    const { engine } = pids();
    assert.ok(isAlive(engine), 'it is there until the button is pressed');
    await button(done, 'Restart Engine').click();
    await until('the engine has ended', () => !isAlive(engine));
  });

  it('of WebGPU leaves nothing when it is cancelled, and says what npm said when it failed', async function () {
    const workbench = await Workbench.of(this);
    program('npm', waits());
    await workbench.palette('DCNet: Set Up WebGPU Runtime');
    const progress = await workbench.notification(
      /DCNet: WebGPU: Install Dawn from npm \(added one of two\)/,
    );
    await button(progress, 'Cancel').click();
    await until('nothing is left', () => made().length === 0);
    assert.ok(!isAlive(pids().npm), 'npm has ended');

    program('npm', 'echo "npm error no route to registry" >&2\nexit 7');
    void command('setUpWebgpu');
    const told = await workbench.notification(
      /Installing from npm failed: npm ended with 7.*no route to registry/,
    );
    await button(told, 'Doctor').waitFor();
    assert.deepEqual(made(), []);
  });

  it('of WebGPU says where it finds no GPU, and offers to use it', async function () {
    const workbench = await Workbench.of(this);
    const folder = `node_modules/webgpu/dist/${process.platform}-${process.platform === 'darwin' ? 'universal' : process.arch}`;
    const dawn = path.join(extension().extensionPath, folder, 'dawn.node');
    if (!existsSync(dawn)) skip(this, `the optional package webgpu is not installed: ${dawn} is not there`);
    program('npm', `echo "$$ $PPID" > "${home}/pids"\n/bin/mkdir -p ${folder}\n/bin/cp "${dawn}" ${folder}/`);
    void command('setUpWebgpu');
    const done = await workbench.notification(
      /WebGPU \(Dawn [\d.]+\) is set up and finds no GPU here: DCNet Doctor says what is missing/,
    );
    assert.deepEqual(made(), ['webgpu']);
    const { engine } = pids();
    await button(done, 'Restart Engine').click();
    await until('the engine has ended', () => !isAlive(engine));
  });
});
