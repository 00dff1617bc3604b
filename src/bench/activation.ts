import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as z from 'zod';
import { spreadOf } from './measure.js';
import type { BenchOptions, Figure } from './parts.js';

const inClone = (file: string): string => fileURLToPath(new URL(`../${file}`, import.meta.url));

/** The tests in a real VS Code, one suite of which takes down how long the extension's activation took. */
export const activationSuite = {
  /** The served VS Code of the tests, which they install. */
  needs: inClone('src/tools/workbench/node_modules'),
  args: [inClone('src/tools/hostTests.mjs'), '--target', 'folder', '--suite', 'activation'],
  result: inClone('.test-output/host-folder/activation.json'),
};

const activationSchema = z.object({ activationMs: z.number(), activationCpuMs: z.number() });

/** How long the extension takes to activate, by its own clock, in a VS Code that is started for each round. */
export async function* activation(
  { rounds, onMissing }: Pick<BenchOptions, 'rounds' | 'onMissing'>,
  suite: typeof activationSuite = activationSuite,
): AsyncGenerator<Figure> {
  if (!existsSync(suite.needs)) {
    onMissing('activation', 'npm test -- --only host installs a VS Code first');
    return;
  }
  const measured: z.infer<typeof activationSchema>[] = [];
  let ended = '';
  for (let round = 0; round < rounds; round++) {
    // Too slow an activation is a failed test, and a figure all the same.
    await promisify(execFile)(process.execPath, suite.args).catch(
      ({ stderr }: { readonly stderr: string }) => {
        ended = stderr.trim().split('\n').at(-1) ?? '';
      },
    );
    const text = await readFile(suite.result, 'utf8').catch(() => undefined);
    if (text === undefined) {
      onMissing('activation', `the tests in VS Code left no figure (${ended})`);
      break;
    }
    measured.push(activationSchema.parse(JSON.parse(text)));
  }
  if (measured.length === 0) return;
  const figure = (what: string, milliseconds: readonly number[]): Figure => ({
    what: ['activation', what],
    on: 'this machine',
    value: spreadOf(milliseconds.map((value) => value / 1000)),
    unit: 's',
  });
  yield figure(
    'clock',
    measured.map(({ activationMs }) => activationMs),
  );
  yield figure(
    'processor',
    measured.map(({ activationCpuMs }) => activationCpuMs),
  );
}
