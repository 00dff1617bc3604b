#!/usr/bin/env node
// Runs the suites in test/host inside a VS Code: the one served from npm, or with `--desktop` the one that
// @vscode/test-electron downloads. `--target folder` tests this folder, `--target vsix` the packaged extension,
// installed; `--suite config` (repeatable) only test/host/config.test.ts. Outcomes go to the file that
// DCNET_TEST_REPORT names, screenshots to .test-output/.
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  downloadAndUnzipVSCode,
  resolveCliArgsFromVSCodeExecutablePath,
  runTests,
  TestRunFailedError,
} from '@vscode/test-electron';
import esbuild from 'esbuild';
import { vsixFile } from './package.mjs';
import { fromRoot } from './paths.mjs';
import { run, runProgram, StepError } from './system.mjs';
import { installVsix } from './workbench/server.mjs';

/**
 * The suites that meet what packaging can break: what the manifest contributes, activation, the programs and documents
 * that are loaded from the package. In the packaged extension only these run, where `--suite` names no others: what the
 * rest says of the code, it says of the folder, from which the package is made.
 */
const suitesOfPackage = ['activation', 'compare', 'config', 'errors', 'layers', 'main', 'sample', 'tensors'];

/** Trains for the better part of a minute: once, in the package that a user would have, unless `--suite` names it. */
const suitesOfPackageOnly = ['sample'];

const { values: options } = parseArgs({
  options: {
    target: { type: 'string', default: 'folder' },
    desktop: { type: 'boolean', default: false },
    suite: { type: 'string', multiple: true },
  },
});

/** @param {string} suite */
function isWanted(suite) {
  if (options.suite !== undefined) return options.suite.includes(suite);
  return options.target === 'vsix' ? suitesOfPackage.includes(suite) : !suitesOfPackageOnly.includes(suite);
}

/** One bundle of all suites, so that one start of VS Code runs them all. */
async function bundleSuites() {
  const suites = (await readdir(fromRoot('test/host'), { recursive: true }))
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => isWanted(path.basename(file, '.test.ts')))
    .sort();
  if (suites.length === 0)
    throw new StepError('No such suite in test/host', 'Suites are files named *.test.ts.');
  const outfile = fromRoot('dist/test/host.js');
  await esbuild.build({
    absWorkingDir: fromRoot(),
    stdin: {
      contents: `
        import { runSuites } from './support/run.ts';
        export const run = () => runSuites(() => {
          ${suites.map((file) => `require(${JSON.stringify(`./${file.replaceAll(path.sep, '/')}`)});`).join('\n')}
        });`,
      resolveDir: fromRoot('test/host'),
      sourcefile: 'suites.ts',
      loader: 'ts',
    },
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    external: ['vscode', 'mocha', 'playwright-core'],
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  return outfile;
}

/**
 * @param {string} desktop the downloaded VS Code's executable
 * @param {string} extensionsDirectory
 */
async function installOnDesktop(desktop, extensionsDirectory) {
  const [cli, ...args] = resolveCliArgsFromVSCodeExecutablePath(desktop);
  const { code } = await run(cli, [
    ...args,
    `--extensions-dir=${extensionsDirectory}`,
    '--install-extension',
    vsixFile,
    '--force',
  ]);
  if (code !== 0)
    throw new StepError(`${vsixFile} could not be installed`, 'Build it again: npm run package');
}

/** @param {string} scratch a folder of this run's own */
async function main(scratch) {
  const testsPath = await bundleSuites();
  const output = fromRoot(`.test-output/host-${options.target}`);
  await rm(output, { recursive: true, force: true });
  await mkdir(output, { recursive: true });
  const workspace = path.join(scratch, 'workspace');
  await cp(fromRoot('test/host/workspace'), workspace, { recursive: true });
  const extensions = path.join(scratch, 'extensions');
  await mkdir(extensions);

  const desktop = options.desktop ? await downloadAndUnzipVSCode() : undefined;
  let developmentPath = fromRoot();
  if (options.target === 'vsix') {
    await (desktop === undefined ? installVsix(vsixFile, extensions) : installOnDesktop(desktop, extensions));
    // VS Code only runs tests for an extension under development: one that does nothing.
    developmentPath = path.join(scratch, 'empty');
    await mkdir(developmentPath);
    const manifest = { name: 'empty', publisher: 'empty', version: '0.0.0', engines: { vscode: '*' } };
    await writeFile(path.join(developmentPath, 'package.json'), JSON.stringify(manifest));
  }

  const debuggingPort = 9333;
  const profile = [`--extensions-dir=${extensions}`, `--user-data-dir=${path.join(scratch, 'user')}`];
  await runTests({
    vscodeExecutablePath: desktop ?? fromRoot('src/tools/workbench/code.mjs'),
    extensionDevelopmentPath: developmentPath,
    extensionTestsPath: testsPath,
    launchArgs: [
      workspace,
      ...profile,
      ...(desktop === undefined ? [] : [`--remote-debugging-port=${debuggingPort}`]),
    ],
    extensionTestsEnv: {
      DCNET_TEST_OUTPUT: output,
      DCNET_TEST_REPORT: process.env.DCNET_TEST_REPORT ?? path.join(output, 'report.json'),
      DCNET_TEST_TARGET: options.target,
      // The served VS Code sets its own browser's address instead.
      ...(desktop === undefined ? {} : { DCNET_TEST_CDP: `http://127.0.0.1:${debuggingPort}` }),
    },
  });
}

await runProgram(async () => {
  const scratch = await mkdtemp(path.join(tmpdir(), 'dcnet-host-'));
  try {
    await main(scratch);
  } catch (error) {
    if (!(error instanceof TestRunFailedError)) throw error;
    process.exitCode = 1; // the report has the tests that failed
  } finally {
    await rm(scratch, { recursive: true, force: true, maxRetries: 3 });
  }
});
