#!/usr/bin/env node
// Stands in for the desktop `code` where that is not to be had: takes the arguments with which @vscode/test-electron
// starts tests, runs them in the served VS Code's extension host behind a headless browser, and exits with their code.
// The tests find the browser at DCNET_TEST_CDP, as they find the desktop VS Code's own.
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { format, parseArgs } from 'node:util';
import { findChromium } from '../install.mjs';
import { runProgram, StepError } from '../system.mjs';
import { startBrowser } from './browser.mjs';
import { startServer, workbenchUrl } from './server.mjs';

const defaultLimitSeconds = 900;

/** The extension host's console arrives mixed with the workbench's own lines; those are of no use in a test's output. */
const ownLines =
  /^(%c|\[|#\d+: https|Creating a socket|Resolv(ing|ed) connection token|Updating additional builtin|Ignoring fetching additional builtin|Timed out waiting for authentication provider|Error( \[ERR_MODULE_NOT_FOUND\])?: (Could not locate the bindings|Cannot find)|Cannot find (module|package)|No permission|An unknown error occurred|Creation of workbench contribution|WebSocket close)/;

const { values, positionals } = parseArgs({
  // The desktop takes many more options, which mean nothing here.
  strict: false,
  allowPositionals: true,
  options: {
    extensionDevelopmentPath: { type: 'string', multiple: true },
    extensionTestsPath: { type: 'string' },
    'extensions-dir': { type: 'string' },
    'user-data-dir': { type: 'string' },
  },
});

async function main() {
  const testsPath = values.extensionTestsPath;
  if (typeof testsPath !== 'string')
    throw new StepError('No --extensionTestsPath', 'This program only runs tests.');
  const chromium = await findChromium();
  if (chromium === undefined) throw new StepError('No Chromium on this machine', 'Run: npm test');
  const extensionsDirectory = values['extensions-dir'];

  const browser = await startBrowser(chromium);
  try {
    const server = await startServer({
      ...(typeof extensionsDirectory === 'string' ? { extensionsDirectory } : {}),
      env: { DCNET_TEST_CDP: browser.cdpUrl },
      args: ['--enable-smoke-test-driver'],
    });
    try {
      process.exitCode = await runTests(browser.page, server, testsPath);
    } finally {
      await server.stop();
    }
  } finally {
    await browser.close();
  }
}

/**
 * @param {import('playwright-core').Page} page
 * @param {import('./server.mjs').Server} server
 * @param {string} testsPath
 * @returns {Promise<number>} the tests' exit code
 */
async function runTests(page, server, testsPath) {
  /** @type {(code: number) => void} */
  let exit = () => {};
  /** @type {Promise<number>} */
  const exited = new Promise((resolve) => {
    exit = resolve;
  });
  // The workbench calls these two for tests that run in it.
  await page.exposeFunction('codeAutomationExit', (/** @type {number} */ code) => exit(code));
  await page.exposeFunction(
    'codeAutomationLog',
    (/** @type {string} */ type, /** @type {unknown[]} */ args) => {
      const line = format(...args);
      if (!ownLines.test(line))
        (type === 'error' || type === 'warn' ? process.stderr : process.stdout).write(`${line}\n`);
    },
  );
  const developmentPaths = /** @type {string[]} */ (values.extensionDevelopmentPath ?? []);
  const folder = positionals[0];
  await page.goto(
    workbenchUrl(server, {
      ...(folder === undefined ? {} : { folder: path.resolve(folder) }),
      developmentPaths: developmentPaths.map((directory) => path.resolve(directory)),
      testsPath: path.resolve(testsPath),
    }),
    { waitUntil: 'commit' },
  );
  return await Promise.race([exited, brokenOff(page, server)]);
}

/**
 * Fails when the tests can no longer report: the page or the server is gone, or they take too long.
 * @param {import('playwright-core').Page} page
 * @param {import('./server.mjs').Server} server
 * @returns {Promise<never>}
 */
async function brokenOff(page, server) {
  const limitSeconds = Number(process.env.DCNET_TEST_LIMIT_SECONDS ?? defaultLimitSeconds);
  /** @type {StepError} */
  const why = await Promise.race([
    page
      .waitForEvent('crash', { timeout: 0 })
      .then(() => new StepError('The browser’s page crashed', 'Is there enough memory?')),
    server.ended.then(
      () => new StepError(`VS Code’s server ended early:\n${server.log()}`, 'See its messages above.'),
    ),
    setTimeout(
      limitSeconds * 1000,
      new StepError(
        `The tests did not end within ${limitSeconds} s`,
        'Set DCNET_TEST_LIMIT_SECONDS for more.',
      ),
      { ref: false },
    ),
  ]);
  throw why;
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
await runProgram(main);
