#!/usr/bin/env node
// `npm start`: installs what is missing, builds, trains the sample network in the terminal, prints a summary and opens
// VS Code on it: the desktop one where there is one, else one served on this machine (`-- --serve` always serves).
// `--headless` ends after the summary; `--json` makes the last line of the output one JSON object; `--folder` puts the
// sample elsewhere; `--port` is the served VS Code's.
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ensurePackages } from './install.mjs';
import { fromRoot } from './paths.mjs';
import { findProgram, run, runNode, runProgram, StepError } from './system.mjs';
import { ensureWorkbench } from './workbench/install.mjs';
import { installVsix, startServer, workbenchUrl } from './workbench/server.mjs';

const { values: options } = parseArgs({
  options: {
    headless: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    serve: { type: 'boolean', default: false },
    folder: { type: 'string', default: fromRoot('.dcnet-sample') },
    port: { type: 'string', default: '0' },
  },
});

/** What children print; with `--json` only the one object goes to stdout. */
const output = options.json ? 'stderr' : 'inherit';
const say = options.json ? console.error : console.log;

/** Where the sample network lives: a copy, to be changed at will. */
const workspace = path.resolve(options.folder);
const configName = 'fashion.dcnet.json';

/**
 * @template T
 * @param {string} title
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 * @throws StepError that names the step
 */
async function step(title, work) {
  say(`\n▸ ${title}`);
  try {
    return await work();
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    const remedy =
      error instanceof StepError
        ? error.remedy
        : 'Try again; if it stays, please report it with the messages above.';
    throw new StepError(`The step “${title}” failed: ${what}`, remedy);
  }
}

/** Bundles and packs the extension. */
async function build() {
  const { code } = await runNode('src/tools/package.mjs', [], { output });
  if (code !== 0) throw new StepError(`the build ended with exit code ${code}`, 'Its messages are above.');
}

/** Copies the sample beside the sources; what the user changed in it stays as it is. */
async function makeWorkspace() {
  await mkdir(workspace, { recursive: true });
  await cp(fromRoot('media/sample'), workspace, { recursive: true, force: false });
  const settings = path.join(workspace, '.vscode/settings.json');
  if (!existsSync(settings)) {
    await mkdir(path.dirname(settings), { recursive: true });
    await writeFile(settings, `${JSON.stringify({ 'dcnet.openNewestRun': true }, null, 2)}\n`);
  }
  say(`  ${workspace}`);
}

/**
 * Trains the sample network; its progress and its summary are the command line's own.
 * @returns {Promise<string>} what it has to say to machines, with `--json`
 */
async function train() {
  // Ctrl-C reaches the training too, which then stops with a checkpoint: wait for it.
  let isInterrupted = false;
  const note = () => {
    isInterrupted = true;
  };
  process.on('SIGINT', note);
  const { code, stdout } = await runNode(
    'dist/cli.js',
    ['train', configName, ...(options.json ? ['--json'] : [])],
    {
      cwd: workspace,
      output: options.json ? 'capture-stdout' : 'inherit',
    },
  );
  process.removeListener('SIGINT', note);
  if (isInterrupted)
    throw new StepError('it was interrupted', 'Its checkpoint is kept; npm start trains anew.');
  if (code !== 0)
    throw new StepError(
      `the training ended with exit code ${code}`,
      `Its messages are above. If you changed ${configName}, removing ${workspace} brings the original back.`,
    );
  return stdout;
}

/** @param {string} answer what the command line said last, as JSON */
function summaryLine(answer) {
  const { testAccuracy, trainSeconds, imagesPerSecond, backend, checkpoint } = JSON.parse(
    answer.trimEnd().split('\n').at(-1) ?? '',
  );
  return JSON.stringify({ testAccuracy, trainSeconds, imagesPerSecond, backend, checkpoint });
}

/** The desktop VS Code's command, where it can show a window. */
async function findDesktopCode() {
  const { platform, env } = process;
  const hasDisplay =
    platform !== 'linux' ||
    [env.DISPLAY, env.WAYLAND_DISPLAY, env.WSL_DISTRO_NAME, env.VSCODE_IPC_HOOK_CLI].some(
      (variable) => variable,
    );
  return hasDisplay ? await findProgram('code') : undefined;
}

/**
 * @param {string} code
 * @param {string} vsix
 */
async function openDesktop(code, vsix) {
  for (const args of [
    ['--install-extension', vsix, '--force'],
    [workspace, path.join(workspace, configName)],
  ]) {
    const { code: exitCode } = await run(code, args, { output });
    if (exitCode !== 0)
      throw new StepError(
        `${code} ${args.join(' ')} ended with exit code ${exitCode}`,
        'Its messages are above.',
      );
  }
}

/**
 * Serves VS Code until Ctrl-C.
 * @param {string} vsix
 */
async function serveWorkbench(vsix) {
  const extensionsDirectory = await mkdtemp(path.join(tmpdir(), 'dcnet-extensions-'));
  try {
    await installVsix(vsix, extensionsDirectory);
    const server = await startServer({ port: Number(options.port), withToken: true, extensionsDirectory });
    say(`\nVS Code is at ${workbenchUrl(server, { folder: workspace })}`);
    say('It can be reached from this machine only. Stop it with Ctrl-C.');
    const interrupted = new Promise((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => resolve(true));
    });
    const isStopped = await Promise.race([interrupted, server.ended.then(() => false)]);
    await server.stop();
    if (!isStopped)
      throw new StepError(`VS Code’s server ended by itself:\n${server.log()}`, 'Start it again: npm start');
    say('\nVS Code is stopped.');
  } finally {
    await rm(extensionsDirectory, { recursive: true, force: true });
  }
}

async function main() {
  await step('Install what is missing', () => ensurePackages({ output }));
  await step('Build the extension', build);
  await step('Make the sample workspace', makeWorkspace);
  const answer = await step('Train the sample network', train);
  if (!options.headless) {
    const { vsixFile } = await import('./package.mjs');
    const code = options.serve ? undefined : await findDesktopCode();
    if (code !== undefined) await step('Open VS Code', () => openDesktop(code, vsixFile));
    else {
      await step('Install VS Code (some 500 MB, once)', () => ensureWorkbench({ output }));
      await step('Open VS Code', () => serveWorkbench(vsixFile));
    }
  }
  if (options.json) console.log(summaryLine(answer));
}

await runProgram(main);
