#!/usr/bin/env node
// Packs the built extension as a VSIX, and checks that it holds what it should and nothing else.
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { createVSIX, listFiles, PackageManager } from '@vscode/vsce';
import { fromRoot, panelEntries } from './paths.mjs';
import { isProgram, runNode, runProgram, StepError } from './system.mjs';

const { name, version } = JSON.parse(readFileSync(fromRoot('package.json'), 'utf8'));

/** Where the packed extension is, absolute. */
export const vsixFile = fromRoot(`${name}-${version}.vsix`);

/** What users download may weigh this much. */
const sizeLimitMegabytes = 12;

/** Each panel's script and style. */
const panelFiles = Object.keys(panelEntries()).flatMap((panel) => [
  `dist/webview/${panel}.js`,
  `dist/webview/${panel}.css`,
]);

/** What the VSIX may hold besides. */
const allowed = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
  /^dist\/(extension|engine|kernelThread|cli)\.js$/,
  /^dist\/wasm\/[\w-]+\.wasm$/,
  /^dist\/native\/\w+\.(cc|h)$/,
  /^dist\/webview\/codicon\.ttf$/,
  /^media\/(?!.*\bruns\/)/,
];

/** What it does not work without. */
const required = [
  'package.json',
  'README.md',
  'LICENSE',
  'dist/extension.js',
  'dist/engine.js',
  'dist/kernelThread.js',
  'dist/cli.js',
  ...panelFiles,
  'dist/wasm/dcnet-kernels.wasm',
  'dist/wasm/dcnet-kernels-relaxed.wasm',
  'dist/wasm/tfjs-backend-wasm-simd.wasm',
  'dist/native/module.cc',
  'media/dcnet.schema.json',
];

/** Packs what was built. Needs no network: everything is bundled. */
export async function packVsix() {
  await createVSIX({
    cwd: fromRoot(),
    packagePath: vsixFile,
    dependencies: false,
    allowMissingRepository: true,
    rewriteRelativeLinks: false,
  });
}

/**
 * What is wrong with a list of packed files.
 * @param {readonly string[]} files with forward slashes
 * @returns {string[]} one sentence each; none when all is well
 */
export function contentProblems(files) {
  return [
    ...files
      .filter((file) => !panelFiles.includes(file) && !allowed.some((pattern) => pattern.test(file)))
      .map((file) => `${file} does not belong into the VSIX.`),
    ...required.filter((file) => !files.includes(file)).map((file) => `${file} is missing from the VSIX.`),
  ];
}

/** @returns {Promise<string[]>} what is wrong with the VSIX's content */
export async function checkContent() {
  return contentProblems(await listFiles({ cwd: fromRoot(), packageManager: PackageManager.None }));
}

/** @returns {Promise<string[]>} what is wrong with the VSIX's size */
export async function checkSize() {
  const megabytes = (await stat(vsixFile)).size / 1e6;
  return megabytes < sizeLimitMegabytes
    ? []
    : [
        `The VSIX weighs ${megabytes.toFixed(1)} MB; the limit is ${sizeLimitMegabytes} MB. See npm run build -- --metafile.`,
      ];
}

async function main() {
  const { code } = await runNode('src/tools/build.mjs', []);
  if (code !== 0) throw new StepError('The build failed', 'Its messages are above.');
  await packVsix();
  const problems = [...(await checkContent()), ...(await checkSize())];
  if (problems.length > 0)
    throw new StepError(
      `The VSIX is not right:\n${problems.join('\n')}`,
      'See the lists in src/tools/package.mjs and .vscodeignore.',
    );
  console.log(`${path.basename(vsixFile)}: ${((await stat(vsixFile)).size / 1e6).toFixed(2)} MB`);
}

if (isProgram(import.meta.url)) await runProgram(main);
