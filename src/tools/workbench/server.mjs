// The served VS Code: a server on loopback with data of its own, and the address of its workbench.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run, StepError } from '../system.mjs';
import { serverDirectory, serverNode } from './install.mjs';

/** How long the server may take until it listens. */
const startLimitMs = 60_000;
/** How long it may take to end by itself before it is killed. */
const stopLimitMs = 5_000;

/** What a first-time user, or a test, need not be asked. */
const quietSettings = {
  'chat.disableAIFeatures': true,
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'files.simpleDialog.enable': true,
  'security.workspace.trust.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'window.commandCenter': false,
  'workbench.colorTheme': 'Default Dark Modern',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
};

/**
 * @typedef {object} Server
 * @property {number} port on 127.0.0.1
 * @property {string | undefined} token what a browser must bring along; without one, anybody on this machine may connect
 * @property {() => string} log what the server has said so far
 * @property {Promise<void>} ended when the server's process is gone
 * @property {() => Promise<void>} stop ends it and removes the data that it made
 */

/**
 * Starts VS Code's server on a free port of the loopback interface.
 * @param {object} [options]
 * @param {number} [options.port] a free one where not given
 * @param {boolean} [options.withToken] lets in only who has the token in the address
 * @param {string} [options.extensionsDirectory] where installed extensions are; empty and temporary where not given
 * @param {Record<string, unknown>} [options.settings] the user's settings, over quiet ones
 * @param {NodeJS.ProcessEnv} [options.env] for the server and with it for the extension host
 * @param {readonly string[]} [options.args] more for the server
 * @returns {Promise<Server>}
 */
export async function startServer({
  port = 0,
  withToken = false,
  extensionsDirectory,
  settings = {},
  env = {},
  args = [],
} = {}) {
  const data = await mkdtemp(path.join(tmpdir(), 'dcnet-workbench-'));
  await mkdir(path.join(data, 'data/User'), { recursive: true });
  await writeFile(
    path.join(data, 'data/User/settings.json'),
    JSON.stringify({ ...quietSettings, ...settings }, null, 2),
  );
  const token = withToken ? randomBytes(16).toString('hex') : undefined;

  const child = spawn(
    serverNode,
    [
      'out/server-main.js',
      ...['--host', '127.0.0.1', '--port', `${port}`, '--server-data-dir', data],
      ...(token === undefined ? ['--without-connection-token'] : ['--connection-token', token]),
      ...(extensionsDirectory === undefined ? [] : ['--extensions-dir', extensionsDirectory]),
      ...['--accept-server-license-terms', '--disable-telemetry', '--disable-workspace-trust'],
      ...args,
    ],
    // No gallery: nothing is looked up on the network.
    {
      cwd: serverDirectory,
      env: { ...process.env, EXTENSIONS_GALLERY: '{}', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const killNow = () => child.kill('SIGKILL');
  const cleanUpNow = () => {
    killNow();
    rmSync(data, { recursive: true, force: true });
  };
  process.once('exit', cleanUpNow);
  /** @type {Promise<void>} */
  const ended = new Promise((resolve) => {
    child.once('close', () => {
      process.removeListener('exit', cleanUpNow);
      resolve();
    });
  });

  let log = '';
  const stop = async () => {
    child.kill('SIGTERM');
    const kill = setTimeout(killNow, stopLimitMs);
    await ended;
    clearTimeout(kill);
    await rm(data, { recursive: true, force: true, maxRetries: 3 });
  };

  try {
    const boundPort = await new Promise((resolve, reject) => {
      const fail = (/** @type {string} */ what) =>
        reject(
          new StepError(
            `VS Code’s server ${what}:\n${log}`,
            'Remove src/tools/workbench/node_modules and try again.',
          ),
        );
      const limit = setTimeout(() => fail(`did not listen within ${startLimitMs / 1000} s`), startLimitMs);
      const listen = (/** @type {string} */ text) => {
        log += text;
        const listening = /Extension host agent listening on (\d+)/.exec(log);
        if (listening === null) return;
        clearTimeout(limit);
        resolve(Number(listening[1]));
      };
      child.stdout.setEncoding('utf8').on('data', listen);
      child.stderr.setEncoding('utf8').on('data', listen);
      child.once('error', (error) => fail(`could not be started: ${error.message}`));
      child.once('close', (code) => fail(`ended with exit code ${code}`));
    });
    return { port: boundPort, token, log: () => log, ended, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Installs a VSIX into a folder of extensions.
 * @param {string} vsix
 * @param {string} extensionsDirectory
 */
export async function installVsix(vsix, extensionsDirectory) {
  const data = await mkdtemp(path.join(tmpdir(), 'dcnet-install-'));
  try {
    const { code, stdout, stderr } = await run(
      serverNode,
      [
        ...['out/server-main.js', '--accept-server-license-terms', '--server-data-dir', data],
        ...[
          '--extensions-dir',
          path.resolve(extensionsDirectory),
          '--install-extension',
          path.resolve(vsix),
          '--force',
        ],
      ],
      { cwd: serverDirectory, output: 'capture' },
    );
    if (code !== 0)
      throw new StepError(
        `${vsix} could not be installed:\n${stdout}${stderr}`,
        'Build it again: npm run package',
      );
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

/**
 * The address at which a browser shows the workbench.
 * @param {Pick<Server, 'port' | 'token'>} server
 * @param {object} what
 * @param {string} [what.folder] to open, absolute
 * @param {readonly string[]} [what.developmentPaths] extensions under development, absolute
 * @param {string} [what.testsPath] the script with the tests to run, absolute
 */
export function workbenchUrl({ port, token }, { folder, developmentPaths = [], testsPath }) {
  const authority = `localhost:${port}`;
  const remote = (/** @type {string} */ file) => `vscode-remote://${authority}${encodeURI(file)}`;
  const payload = [
    ...developmentPaths.map((directory) => ['extensionDevelopmentPath', remote(directory)]),
    ...(testsPath === undefined ? [] : [['extensionTestsPath', remote(testsPath)]]),
    ['skipWelcome', 'true'],
  ];
  const query = new URLSearchParams();
  if (token !== undefined) query.set('tkn', token);
  if (folder === undefined) query.set('ew', 'true');
  else query.set('folder', folder);
  if (payload.length > 1) query.set('payload', JSON.stringify(payload));
  return `http://${authority}/?${query}`;
}
