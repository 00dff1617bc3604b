import { describe, expect, test } from 'vitest';
import { endedWithoutWord, likelyCause } from '../../src/core/run/liveness.js';
import { type RunState, type RunStatus, runStatuses } from '../../src/core/run/run.js';

const stateOf = (status: RunStatus): RunState => ({
  ...{ name: 'a', status, pid: 7, step: 3, totalSteps: 9, epoch: 1, epochs: 3 },
  updatedAt: '2026-11-27T00:00:00.000Z',
});

describe('a run whose process is no more', () => {
  test('ended without a word where it trained, not where it waited or had said its end', () => {
    const gone = runStatuses.filter((status) => endedWithoutWord(stateOf(status), () => false));
    expect(gone).toEqual(['preparing', 'running', 'paused']);
    expect(runStatuses.some((status) => endedWithoutWord(stateOf(status), (pid) => pid === 7))).toBe(false);
  });

  test('was most probably ended for lack of memory where SIGKILL ended it, also behind a shell', () => {
    for (const exit of ['SIGKILL', 'exit code 137']) expect(likelyCause(exit)).toContain('lack of memory');
    for (const exit of ['SIGSEGV', 'exit code 1', undefined]) expect(likelyCause(exit)).toBeUndefined();
  });
});
