#!/usr/bin/env node
// `npm test`: installs what is missing, then runs every test there is and ends with `N passed, N failed`.
// `-- --only checks|unit|engine|webview|tensorflow|webgpu|start|host` (repeatable) runs a part; `--desktop` takes the desktop VS Code.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ensureChromium, ensurePackages, findSwiftShader } from './install.mjs';
import { isCurrent } from './kernels.mjs';
import { describeOutcomes, describeSeconds, exitCode, summaryLine } from './outcomes.mjs';
import { fromRoot } from './paths.mjs';
import { run, runNode, StepError } from './system.mjs';
import { withoutTensorflow } from './tensorflowOutcome.mjs';
import { gpuBenchTest, skippedOnWebgpu, webgpuTest } from './webgpuOutcomes.mjs';
import { ensureWorkbench } from './workbench/install.mjs';

/** @typedef {import('./outcomes.mjs').Outcome} Outcome */

const vitestProjects = ['unit', 'engine', 'webview'];
const parts = ['checks', ...vitestProjects, 'tensorflow', 'webgpu', 'start', 'host'];
/** What is computed on small shapes: a simulated GPU is too slow for more. */
const webgpuTests = [
  'operator',
  'layers',
  'parity',
  'model/presets.test.ts',
  'training/step.test.ts',
  'training/optimizer.test.ts',
  'training/reference.test.ts',
  'backend/windows.test.ts',
  'backend/webgpu.test.ts',
  'bench/gpu.test.ts',
  'inspection/pairCounts.test.ts',
  'service/deviceLost.test.ts',
].map((name) => `test/engine/${name}`);
const outputDirectory = fromRoot('.test-output');

/** What the sample network must reach on its 1,000 test images. */
const sampleAccuracy = 0.85;

/** A failed set-up may be met with a skip on a developer's machine, never where the result counts. */
const isCi = process.env.CI === 'true';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    desktop: { type: 'boolean', default: false },
  },
});

/** @param {string} part */
const isWanted = (part) => options.only.length === 0 || options.only.includes(part);

/** @type {Outcome[]} */
const outcomes = [];

/** How long each part took. @type {{ title: string, started: number, ended: number }[]} */
const steps = [];

/**
 * Says what begins; what came before has ended.
 * @param {string} title
 */
function announce(title) {
  const now = performance.now();
  const last = steps.at(-1);
  if (last !== undefined) last.ended = now;
  steps.push({ title, started: now, ended: now });
  console.log(`\n── ${title} ${'─'.repeat(Math.max(0, 76 - title.length))}`);
}

/**
 * Does a step whose failure is a failed test.
 * @param {string} name
 * @param {() => Promise<string[]>} step what it finds wrong, one sentence each
 */
async function check(name, step) {
  /** @type {string[]} */
  let problems;
  try {
    problems = await step();
  } catch (error) {
    problems = [explain(error)];
  }
  outcomes.push(
    problems.length === 0
      ? { name, state: 'passed' }
      : { name, state: 'failed', detail: problems.join('\n') },
  );
  console.log(`${problems.length === 0 ? '✓' : '✗'} ${name}`);
  return problems.length === 0;
}

/** @param {unknown} error */
function explain(error) {
  if (error instanceof StepError) return `${error.message}\n${error.remedy}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/**
 * Runs a program that reports its tests' outcomes to a file.
 * @param {string} part
 * @param {string} script
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
async function collect(part, script, args, env = {}) {
  const report = path.join(outputDirectory, `${part}.json`);
  const { code } = await runNode(script, args, { env: { ...env, DCNET_TEST_REPORT: report } });
  /** @type {Outcome[]} */
  let found = [];
  try {
    found = JSON.parse(await readFile(report, 'utf8'));
  } catch (error) {
    outcomes.push({ name: part, state: 'failed', detail: `It left no readable report: ${explain(error)}` });
  }
  outcomes.push(...found);
  if (code !== 0 && !found.some(({ state }) => state === 'failed'))
    outcomes.push({
      name: part,
      state: 'failed',
      detail: `It ended with exit code ${code}; its messages are above.`,
    });
}

/** @returns {Promise<string | undefined>} why the served VS Code cannot be tested; nothing when it can */
async function setUpWorkbench() {
  try {
    await ensureWorkbench();
    return undefined;
  } catch (error) {
    return explain(error);
  }
}

async function main() {
  const unknown = options.only.filter((part) => !parts.includes(part));
  if (unknown.length > 0)
    throw new StepError(`There is no part ${unknown.join(', ')}`, `The parts are ${parts.join(', ')}.`);
  await rm(outputDirectory, { recursive: true, force: true });
  await mkdir(outputDirectory, { recursive: true });

  announce('Set-up');
  await ensurePackages();
  let noBrowser = '';
  if (['webview', 'webgpu'].some(isWanted) || (isWanted('host') && !options.desktop)) {
    try {
      process.env.DCNET_CHROMIUM = await ensureChromium();
    } catch (error) {
      noBrowser = explain(error);
    }
  }

  if (isWanted('checks')) {
    announce('Checks');
    const { runChecks } = await import('./checks.mjs');
    outcomes.push(...(await runChecks()));
  }

  announce('Build');
  const { checkContent, checkSize, packVsix } = await import('./package.mjs');
  const isBuilt = await check('build', async () => {
    const { code } = await runNode('src/tools/build.mjs', []);
    return code === 0 ? [] : ['The build failed; its messages are above.'];
  });
  const isPacked =
    isBuilt &&
    (await check('VSIX', async () => {
      await packVsix();
      return [...(await checkContent()), ...(await checkSize())];
    }));

  const projects = vitestProjects.filter(isWanted);
  if (projects.length > 0) {
    announce(`Tests: ${projects.join(', ')}`);
    await collect('vitest', 'node_modules/vitest/vitest.mjs', [
      'run',
      ...projects.flatMap((project) => ['--project', project]),
      ...['--reporter', 'default', '--reporter', './src/tools/vitestReporter.mjs'],
    ]);
  }

  if (isWanted('tensorflow')) await testTensorflow(isBuilt);
  if (isWanted('webgpu')) await testWebgpu(isBuilt);

  if (isWanted('start')) {
    announce('npm start');
    await check('npm start -- --headless trains the sample network', testStart);
  }
  if (isWanted('host')) await testHost(noBrowser, isPacked);
}

/**
 * The engine's tests that follow the backend once more, on TensorFlow, whose runtime our own set-up builds from PyPI's wheel.
 * @param {boolean} isBuilt whether there is a command line to set it up with
 */
async function testTensorflow(isBuilt) {
  announce('Tests on TensorFlow');
  const env = { DCNET_RUNTIME: fromRoot('node_modules/.cache/tensorflow'), DCNET_TEST_BACKEND: 'tensorflow' };
  if (!isBuilt) {
    outcomes.push({ name: 'tensorflow', state: 'failed', detail: 'It was not run: the build failed.' });
    return;
  }
  const kernels = 'node_modules/@tensorflow/tfjs-node-gpu/lib/napi-v8/dcnet_ops.node';
  const sources = fromRoot('src/engine/backend/native');
  if (!(await isCurrent(path.join(env.DCNET_RUNTIME, kernels), sources))) {
    const args = ['setup', 'tensorflow', '--variant', 'cpu', '--json'];
    const { code, stdout } = await runNode('dist/cli.js', args, { env, output: 'capture-stdout' });
    if (code !== 0) {
      outcomes.push(withoutTensorflow(stdout));
      return;
    }
  }
  await runEngineTests('tensorflow', await testsOfAnyBackend(), env);
}

/** @returns {Promise<string[]>} the engine's test files that ask test/engine/backends.ts what to run on */
async function testsOfAnyBackend() {
  const names = (await readdir(fromRoot('test/engine'), { recursive: true }))
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `test/engine/${name.replaceAll(path.sep, '/')}`);
  const texts = await Promise.all(names.map((name) => readFile(fromRoot(name), 'utf8')));
  return names.filter((_, index) => texts[index]?.includes("/backends.js'"));
}

/**
 * @param {string} part
 * @param {readonly string[]} files
 * @param {NodeJS.ProcessEnv} env
 */
async function runEngineTests(part, files, env) {
  const reporters = ['--reporter', 'default', '--reporter', './src/tools/vitestReporter.mjs'];
  const args = ['run', '--project', 'engine', ...files, ...reporters];
  await collect(part, 'node_modules/vitest/vitest.mjs', args, env);
}

/**
 * What WebGPU computes, on the GPU that Chromium's package simulates; on one of the machine's own where there is none.
 * @param {boolean} isBuilt whether there is a command line to look for one with
 */
async function testWebgpu(isBuilt) {
  announce('Tests on WebGPU');
  if (!isBuilt) {
    outcomes.push({ name: 'webgpu', state: 'failed', detail: 'It was not run: the build failed.' });
    return;
  }
  const env = { ...findSwiftShader(), DCNET_TEST_BACKEND: 'webgpu' };
  const { stdout } = await runNode('dist/cli.js', ['doctor', '--json'], { env, output: 'capture' });
  /** @type {{ name: string, available: boolean, reason?: string }[]} */
  const runtimes = JSON.parse(stdout).runtimes;
  const webgpu = runtimes.find(({ name }) => name === 'webgpu');
  const skipped = skippedOnWebgpu(webgpu, process);
  outcomes.push(...skipped);
  /** @param {string} name */
  const runs = (name) => !skipped.some((outcome) => outcome.name === name);
  if (runs(webgpuTest)) await runEngineTests('webgpu', webgpuTests, env);
  if (runs(gpuBenchTest)) await check(gpuBenchTest, () => testGpuBench(findSwiftShader()));
}

/**
 * Packs the GPU bench and runs it in an empty folder with an empty environment.
 * @param {NodeJS.ProcessEnv} driver what finds the GPU
 * @returns {Promise<string[]>}
 */
async function testGpuBench(driver) {
  const folder = await mkdtemp(path.join(tmpdir(), 'dcnet-bench-gpu-'));
  try {
    const packed = path.join(folder, 'packed');
    const empty = path.join(folder, 'empty');
    await mkdir(empty);
    const { code } = await runNode('src/tools/benchGpu.mjs', ['--folder', packed, '--built', '--quick']);
    if (code !== 0) return ['It could not be packed; the messages are above.'];
    const drivers = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'].flatMap((name) =>
      driver[name] === undefined ? [] : [`${name}=${driver[name]}`],
    );
    const ran = await run(
      'env',
      [
        '-i',
        'PATH=/usr/bin:/bin',
        `HOME=${empty}`,
        ...drivers,
        path.join(packed, 'run.sh'),
        '--rounds',
        '1',
        '--images',
        '100',
        '--quick',
      ],
      { cwd: empty, output: 'capture' },
    );
    console.log(ran.stdout);
    const { isRight, isSimulated, deviations, traffic, figures, skipped } = JSON.parse(
      await readFile(path.join(empty, 'dcnet-bench-gpu.json'), 'utf8'),
    );
    return [
      ...(ran.code === 0 && isRight ? [] : [`It ended with exit code ${ran.code}: ${ran.stderr}`]),
      ...(deviations.length > 0 && traffic.length > 0 ? [] : ['It compared nothing.']),
      ...(isSimulated && (figures.length > 0 || skipped.length === 0)
        ? ['It tells the speed of a simulated GPU.']
        : []),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @returns {Promise<string[]>} what is wrong with what `npm start -- --headless --json` says */
async function testStart() {
  const folder = await mkdtemp(path.join(tmpdir(), 'dcnet-start-'));
  try {
    const args = ['--headless', '--json', '--folder', folder];
    const { code, stdout } = await runNode('src/tools/start.mjs', args, { output: 'capture-stdout' });
    if (code !== 0) return [`It ended with exit code ${code}; its messages are above.`];
    console.log(stdout);
    const { testAccuracy, trainSeconds, imagesPerSecond, backend, checkpoint } = JSON.parse(
      stdout.trimEnd().split('\n').at(-1) ?? '',
    );
    return [
      ...(testAccuracy >= sampleAccuracy
        ? []
        : [`The test accuracy is ${testAccuracy}, not at least ${sampleAccuracy}.`]),
      ...(trainSeconds > 0 && imagesPerSecond > 0 && typeof backend === 'string'
        ? []
        : ['The JSON object lacks something.']),
      ...(existsSync(checkpoint) ? [] : [`There is no checkpoint ${checkpoint}.`]),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * @param {string} noBrowser why there is no browser to test in; empty when there is
 * @param {boolean} isPacked whether there is a VSIX
 */
async function testHost(noBrowser, isPacked) {
  const obstacle = options.desktop ? undefined : noBrowser || (await setUpWorkbench());
  for (const target of ['folder', 'vsix']) {
    const part = `host-${target}`;
    announce(`Tests in VS Code: the ${target === 'vsix' ? 'installed VSIX' : 'folder'}`);
    if (obstacle) outcomes.push({ name: part, state: isCi ? 'failed' : 'skipped', detail: obstacle });
    else if (!isPacked)
      outcomes.push({ name: part, state: 'failed', detail: 'It was not run: the build or the VSIX failed.' });
    else
      await collect(part, 'src/tools/hostTests.mjs', [
        '--target',
        target,
        ...(options.desktop ? ['--desktop'] : []),
      ]);
  }
}

try {
  await main();
} catch (error) {
  outcomes.push({ name: 'npm test', state: 'failed', detail: explain(error) });
}
announce('Result');
for (const paragraph of describeOutcomes(outcomes)) console.log(paragraph);
const times = steps.slice(0, -1).map(({ title, started, ended }) => ({ title, ms: ended - started }));
console.log(describeSeconds(times));
console.log(summaryLine(outcomes));
process.exitCode = exitCode(outcomes);
