import type { RunState } from '../../src/core/run/run.js';
import { isOver } from '../../src/core/run/run.js';
import type { ButtonLook } from '../shared/controls.js';

export type RunRequest = 'pause' | 'continue' | 'resume' | 'stop' | 'inspect';

interface Choice {
  readonly request: RunRequest;
  readonly look: ButtonLook;
}

/** The first button: hold, go on, or take up again. `undefined` where there is nothing of the kind to do. */
export function goOnChoice(state: RunState): Choice | undefined {
  switch (state.status) {
    case 'running':
      return { request: 'pause', look: { label: 'Pause', icon: 'debug-pause' } };
    case 'paused':
      return {
        request: 'continue',
        look: { label: 'Continue', icon: 'debug-continue', appearance: 'primary' },
      };
    case 'stopped':
    case 'failed':
      return { request: 'resume', look: { label: 'Resume', icon: 'debug-restart', appearance: 'primary' } };
    case 'queued':
    case 'preparing':
    case 'completed':
      return undefined;
  }
}

/** The second button: stop after this step, or leave the queue. */
export function stopChoice(state: RunState): Choice | undefined {
  if (isOver(state.status)) return undefined;
  const label = state.status === 'queued' ? 'Take out of the queue' : 'Stop';
  return { request: 'stop', look: { label, icon: 'debug-stop' } };
}

/** The third button: open the layer panel, once there is a checkpoint. */
export function inspectChoice(state: RunState, hasCheckpoint: boolean): Choice | undefined {
  if (!hasCheckpoint) return undefined;
  const appearance = state.status === 'completed' ? 'primary' : 'secondary';
  return { request: 'inspect', look: { label: 'Inspect layers', icon: 'layers', appearance } };
}
