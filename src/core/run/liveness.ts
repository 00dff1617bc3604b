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
