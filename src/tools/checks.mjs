#!/usr/bin/env node
// The checks that read the code and do not run it: format and lint, types room by room, direction of imports, dead
// code. Run as a program it does those named by its arguments, or all.
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fromRoot } from './paths.mjs';
import { isProgram, runNode, runProgram, StepError } from './system.mjs';

/** @typedef {import('./outcomes.mjs').Outcome} Outcome */

/**
 * @typedef {object} Check
 * @property {'lint' | 'types' | 'imports' | 'unused'} kind
 * @property {string} name
 * @property {string} script
 * @property {readonly string[]} args
 */

/** Each takes one core and up to half a gigabyte. */
const atOnce = 2;

/** @returns {Promise<Check[]>} */
async function listChecks() {
  const folders = (await readdir(fromRoot('src'))).sort().map((folder) => `src/${folder}`);
  const rooms = [...folders, 'webview', 'test'].filter((folder) =>
    existsSync(fromRoot(`${folder}/tsconfig.json`)),
  );
  return [
    {
      kind: 'lint',
      name: 'format and lint (biome)',
      script: 'node_modules/@biomejs/biome/bin/biome',
      args: ['check', '--error-on-warnings'],
    },
    ...rooms.map(
      (room) =>
        /** @type {Check} */ ({
          kind: 'types',
          name: `types of ${room} (tsc)`,
          script: 'node_modules/typescript/bin/tsc',
          args: ['-p', room],
        }),
    ),
    {
      kind: 'imports',
      name: 'direction of imports (dependency-cruiser)',
      script: 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs',
      args: ['src', 'webview', 'test', '--config', '.dependency-cruiser.cjs'],
    },
    {
      kind: 'unused',
      name: 'unused exports and dependencies (knip)',
      script: 'node_modules/knip/bin/knip.js',
      args: ['--no-progress'],
    },
  ];
}

/**
 * @param {readonly string[]} [kinds] all where none is named
 * @returns {Promise<Outcome[]>}
 */
export async function runChecks(kinds = []) {
  const waiting = (await listChecks()).filter(({ kind }) => kinds.length === 0 || kinds.includes(kind));
  /** @type {Outcome[]} */
  const outcomes = [];
  const doSome = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { name, script, args } = next;
      const { code, stdout, stderr } = await runNode(script, args, { output: 'capture' });
      outcomes.push(
        code === 0 ? { name, state: 'passed' } : { name, state: 'failed', detail: `${stdout}${stderr}` },
      );
      console.log(`${code === 0 ? '✓' : '✗'} ${name}`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, availableParallelism()) }, doSome));
  return outcomes;
}

async function main() {
  const failed = (await runChecks(process.argv.slice(2))).filter(({ state }) => state === 'failed');
  if (failed.length > 0)
    throw new StepError(
      failed.map(({ detail }) => detail).join('\n'),
      'npm run format repairs what can be repaired by itself.',
    );
}

if (isProgram(import.meta.url)) await runProgram(main);
