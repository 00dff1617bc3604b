import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cruise, type ICruiseResult, type IFlattenedRuleSet } from 'dependency-cruiser';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const { forbidden, options } = createRequire(import.meta.url)('../../.dependency-cruiser.cjs');

let repository: string;
beforeEach(() => {
  repository = mkdtempSync(path.join(tmpdir(), 'dcnet-imports-'));
});
afterEach(() => rmSync(repository, { recursive: true }));

/** The rules that files break, given as path and text. */
async function brokenRules(files: Record<string, string>): Promise<string[]> {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(repository, file)), { recursive: true });
    writeFileSync(path.join(repository, file), text);
  }
  const { output } = await cruise(['.'], {
    ...options,
    baseDir: repository,
    validate: true,
    ruleSet: { forbidden } as IFlattenedRuleSet,
  });
  return (output as ICruiseResult).summary.violations.map(({ rule }) => rule.name).sort();
}

/** An installed package. */
const installed = (name: string): Record<string, string> => ({
  [`node_modules/${name}/package.json`]: `{ "name": "${name}", "main": "index.js" }`,
  [`node_modules/${name}/index.js`]: '',
});

describe('the direction of imports', () => {
  it.each([
    ['src/core/a.ts', 'src/protocol/b.ts', 'core-imports'],
    ['src/protocol/a.ts', 'src/engine/b.ts', 'protocol-imports'],
    ['src/engine/a.ts', 'src/host/b.ts', 'engine-imports'],
    ['src/host/a.ts', 'src/engine/b.ts', 'host-imports'],
    ['src/cli/a.ts', 'src/host/b.ts', 'cli-imports'],
    ['src/bench/a.ts', 'src/host/b.ts', 'bench-imports'],
    ['src/tools/a.mjs', 'test/b.ts', 'tools-imports'],
    ['webview/a.ts', 'src/host/b.ts', 'webview-imports'],
    ['src/extension.ts', 'src/engine/b.ts', 'extension-imports'],
  ])('%s may not import %s', async (from, to, rule) => {
    const specifier = path.posix.relative(path.posix.dirname(from), to).replace(/^(?!\.)/, './');
    const files = { [from]: `import { b } from '${specifier}'; b();`, [to]: 'export const b = () => {};' };
    expect(await brokenRules(files)).toEqual([rule]);
  });

  it('holds for types too', async () => {
    const files = {
      'src/host/a.ts': "import type { B } from '../engine/b.ts'; export type A = B;",
      'src/engine/b.ts': 'export type B = 1;',
    };
    expect(await brokenRules(files)).toEqual(['host-imports']);
  });

  it('lets everybody build on the rooms below', async () => {
    const files = {
      'src/core/a.ts': 'export const a = 1;',
      'src/protocol/b.ts': "import { a } from '../core/a.js'; export const b = a;",
      'src/engine/c.ts': "import { b } from '../protocol/b.js'; export const c = b;",
      'src/host/d.ts': "import { b } from '../protocol/b.js'; export const d = b;",
      'src/cli/e.ts': "import { c } from '../engine/c.js'; export const e = c;",
      'webview/f.ts': "import { b } from '../src/protocol/b.js'; export const f = b;",
    };
    expect(await brokenRules(files)).toEqual([]);
  });

  it('has no cycles', async () => {
    const files = { 'src/core/a.ts': "import './b.js';", 'src/core/b.ts': "import './a.js';" };
    expect(new Set(await brokenRules(files))).toEqual(new Set(['no-cycles']));
  });
});

describe('what a room may know', () => {
  it.each([
    ['src/core/a.ts', 'node:fs', 'core-is-pure'],
    ['webview/a.ts', 'node:fs', 'no-node-in-webview'],
    ['src/engine/a.ts', 'vscode', 'vscode-in-host-only'],
    ['src/host/a.ts', '@tensorflow/tfjs-core', 'tensors-in-engine-only'],
    ['src/core/a.ts', 'd3', 'core-libraries'],
    ['webview/shared/other.ts', '@vscode/webview-ui-toolkit', 'toolkit-in-one-file'],
    ['src/host/a.ts', './missing.js', 'resolvable'],
  ])('%s may not import %s', async (from, library, rule) => {
    const files = {
      ...installed('d3'),
      ...installed('@tensorflow/tfjs-core'),
      ...installed('@vscode/webview-ui-toolkit'),
      ...installed('@types/vscode'),
      [from]: `import * as library from '${library}'; library;`,
    };
    expect(await brokenRules(files)).toEqual([rule]);
  });

  it.each([
    ['src/host/a.ts', 'vscode'],
    ['src/extension.ts', 'vscode'],
    ['src/engine/a.ts', '@tensorflow/tfjs-core'],
    ['src/engine/a.ts', 'node:fs'],
    ['webview/shared/controls.ts', '@vscode/webview-ui-toolkit'],
  ])('%s may import %s', async (from, library) => {
    const files = {
      ...installed('@tensorflow/tfjs-core'),
      ...installed('@vscode/webview-ui-toolkit'),
      [from]: `import * as library from '${library}'; library;`,
    };
    expect(await brokenRules(files)).toEqual([]);
  });
});
