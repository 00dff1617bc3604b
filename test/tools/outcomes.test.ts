import { describe, expect, it } from 'vitest';
import { describeOutcomes, describeSeconds, exitCode, summaryLine } from '../../src/tools/outcomes.mjs';
import { gpuBenchTest, skippedOnWebgpu, webgpuTest } from '../../src/tools/webgpuOutcomes.mjs';

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

describe('what cannot be run on WebGPU', () => {
  const linux = { platform: 'linux', arch: 'x64' };

  it('is skipped with the reason, the packed bench, too', () => {
    expect(skippedOnWebgpu({ available: false, reason: 'no GPU was found.' }, linux)).toEqual(
      [webgpuTest, gpuBenchTest].map((name) => ({ name, state: 'skipped', detail: 'no GPU was found.' })),
    );
    expect(skippedOnWebgpu(undefined, linux).map(({ name }) => name)).toEqual([webgpuTest, gpuBenchTest]);
  });

  it('is the packed bench alone where it cannot be packed, and nothing where all is there', () => {
    expect(skippedOnWebgpu({ available: true }, linux)).toEqual([]);
    expect(skippedOnWebgpu({ available: true }, { platform: 'darwin', arch: 'arm64' })).toEqual([
      { name: gpuBenchTest, state: 'skipped', detail: expect.stringContaining('darwin arm64') },
    ]);
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
