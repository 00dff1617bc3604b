import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { TestModule, TestResult } from 'vitest/node';
import OutcomeReporter from '../../src/tools/vitestReporter.mjs';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'dcnet-report-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

function report(tests: Record<string, unknown>, errors: readonly unknown[] = []): unknown {
  const file = path.join(directory, 'report.json');
  vi.stubEnv('DCNET_TEST_REPORT', file);
  const allTests = () =>
    Object.entries(tests).map(([fullName, result]) => ({ fullName, result: () => result as TestResult }));
  const module = { relativeModuleId: 'a.test.ts', errors: () => errors, children: { allTests } };
  new OutcomeReporter().onTestRunEnd([module as unknown as TestModule]);
  return JSON.parse(readFileSync(file, 'utf8'));
}

it('tells each test, with why it failed or was skipped', () => {
  const outcomes = report({
    works: { state: 'passed' },
    breaks: { state: 'failed', errors: [{ message: 'no', stack: 'Error: no\n  at x' }] },
    waits: { state: 'skipped', note: 'no Python here' },
    idles: { state: 'skipped' },
    hangs: { state: 'pending' },
  });
  expect(outcomes).toEqual([
    { name: 'a.test.ts > works', state: 'passed' },
    { name: 'a.test.ts > breaks', state: 'failed', detail: 'Error: no\n  at x' },
    { name: 'a.test.ts > waits', state: 'skipped', detail: 'no Python here' },
    { name: 'a.test.ts > idles', state: 'skipped', detail: 'no reason given' },
    { name: 'a.test.ts > hangs', state: 'failed', detail: 'It did not run to its end.' },
  ]);
});

it('counts a file that does not load as a failure', () => {
  expect(report({}, [{ message: 'Cannot find module' }])).toEqual([
    { name: 'a.test.ts', state: 'failed', detail: 'Cannot find module' },
  ]);
});
