import type { RunStatus } from '../../core/run/run.js';
import type { RunSnapshot } from './runFolder.js';

/** What can be done to a run now. */
export type RunAction = 'pause' | 'continue' | 'stop' | 'resume' | 'inspect' | 'edit';

/** @param owned whether our engine has it in hand */
export function runActions({ state, checkpoints }: RunSnapshot, owned: boolean): ReadonlySet<RunAction> {
  const actions = new Set<RunAction>(owned ? underWayActions[state.status] : []);
  if (checkpoints.length > 0) actions.add('inspect');
  switch (state.status) {
    case 'stopped':
    case 'failed':
      actions.add('edit');
      actions.add('resume');
      break;
    case 'completed':
      actions.add('edit');
  }
  return actions;
}

const underWayActions: Readonly<Record<RunStatus, readonly RunAction[]>> = {
  queued: ['stop'],
  preparing: ['stop'],
  running: ['pause', 'stop'],
  paused: ['continue', 'stop'],
  stopped: [],
  failed: [],
  completed: [],
};

/** `86.1 %`. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** One line on how a run stands: `epoch 3/6 · 84.2 %`. */
export function describeRun({ state }: RunSnapshot): string {
  const epoch = `epoch ${Math.min(state.epoch, state.epochs)}/${state.epochs}`;
  const accuracy = state.testAccuracy === undefined ? [] : [percent(state.testAccuracy)];
  switch (state.status) {
    case 'queued':
      return state.queuePosition === undefined ? 'queued' : `queued, place ${state.queuePosition}`;
    case 'preparing':
      return state.reading === undefined
        ? 'preparing'
        : `reading images, ${percent(state.reading.done / state.reading.total)}`;
    case 'running':
      return [epoch, ...accuracy].join(' · ');
    case 'completed':
      return [...accuracy, state.epochs === 1 ? '1 epoch' : `${state.epochs} epochs`].join(' · ');
    case 'paused':
    case 'stopped':
    case 'failed':
      return [state.status, epoch, ...accuracy].join(' · ');
  }
}

/** The codicon of a status, and its colour where it has one. */
export const statusIcons: Readonly<Record<RunStatus, { readonly id: string; readonly color?: string }>> = {
  queued: { id: 'clock' },
  preparing: { id: 'loading~spin' },
  running: { id: 'loading~spin', color: 'charts.blue' },
  paused: { id: 'debug-pause', color: 'charts.yellow' },
  stopped: { id: 'debug-stop' },
  failed: { id: 'error', color: 'errorForeground' },
  completed: { id: 'pass', color: 'testing.iconPassed' },
};
