import { describe, expect, it } from 'vitest';
import { describeOutcomes, describeSeconds, exitCode, summaryLine } from '../../src/tools/outcomes.mjs';

const passed = { name: 'a', state: 'passed' as const };
const failed = { name: 'b', state: 'failed' as const, detail: 'Error: no\n  at x' };
const skipped = { name: 'c', state: 'skipped' as const, detail: 'no Python here' };

describe('the last line of a test run', () => {
  it('counts what passed and what failed', () => {
    expect(summaryLine([passed, failed, passed])).toBe('2 passed, 1 failed');
  });

  it('counts what was skipped where anything was', () => {
    expect(summaryLine([passed, skipped])).toBe('1 passed, 0 failed, 1 skipped');
  });
});

it('gives the reason of each failure and each skip', () => {
  expect(describeOutcomes([passed, failed, skipped])).toEqual([
    '- skipped: c: no Python here',
    '✗ failed: b\n    Error: no\n      at x',
  ]);
});

it('tells how long each part took, and all of them', () => {
  expect(
    describeSeconds([
      { title: 'Build', ms: 12_400 },
      { title: 'Checks', ms: 101_000 },
    ]),
  ).toBe('    12 s  Build\n   101 s  Checks\n   113 s  together');
});

describe('the exit code of a test run', () => {
  it.each([
    [[passed, skipped], 0],
    [[passed, failed], 1],
    [[skipped], 1],
    [[], 1],
  ])('%#', (outcomes, code) => {
    expect(exitCode(outcomes)).toBe(code);
  });
});
