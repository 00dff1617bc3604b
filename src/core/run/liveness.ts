import { isOver, type RunState } from './run.js';

/**
 * A run's state as it really is: one whose process is gone was stopped, whatever its `state.json` still says, and can
 * be resumed from its newest checkpoint.
 * @param isAlive whether a process of this id runs on this machine
 */
export function actualState(state: RunState, isAlive: (pid: number) => boolean): RunState {
  if (isOver(state.status) || (state.pid !== undefined && isAlive(state.pid))) return state;
  const { pid: _pid, queuePosition: _queuePosition, secondsLeft: _secondsLeft, ...rest } = state;
  return { ...rest, status: 'stopped' };
}

/** Whether the process of a run ended without a word while it trained: it crashed, or was killed. */
export function endedWithoutWord(state: RunState, isAlive: (pid: number) => boolean): boolean {
  return state.status !== 'queued' && actualState(state, isAlive).status !== state.status;
}

/** SIGKILL, and what a shell between that process and its parent makes of it. */
const killExits: readonly (string | undefined)[] = ['SIGKILL', 'exit code 137'];

/**
 * What a process's end says of its cause, for people.
 * @param exit `SIGKILL` or `exit code 1`; `undefined` where it is not known
 * @returns `undefined` where it says nothing
 */
export function likelyCause(exit: string | undefined): string | undefined {
  return killExits.includes(exit)
    ? 'Most probably the operating system ended it for lack of memory.'
    : undefined;
}

/** What needs less memory, beside half the images at a time. */
export const lessMemory = 'A new run needs less with a smaller batch.';
