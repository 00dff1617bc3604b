import * as vscode from 'vscode';
import * as z from 'zod';
import { DcnetError } from '../../core/errors.js';
import { otherRuntimeSchema } from '../../protocol/engine.js';
import { openConfig } from '../config/configFiles.js';
import { describeRun, type RunAction, runActions, statusIcons } from './describe.js';
import type { RunSnapshot } from './runFolder.js';
import type { RunStore } from './runStore.js';
import { runsOf } from './runsOfConfig.js';

const targetSchema = z.object({
  runDirectory: z.string(),
  checkpoint: z.string().optional(),
  /** The layer to look at first, by its name. */
  layer: z.string().optional(),
  /** Absolute path that something is written to; left out, the user is asked. */
  saveAs: z.string().optional(),
  /** Resume with half the images at a time, where the run failed for memory or was killed. */
  halve: z.boolean().optional(),
  /** Resume with another runtime than the settings name. */
  on: otherRuntimeSchema.optional(),
});
/** What a command is about: a row of the tree, a lens, or a caller of ours. */
export type RunTarget = z.infer<typeof targetSchema>;

/** The run that a command was called on, if it was called on one. */
export function targetOf(argument: unknown): RunTarget | undefined {
  return targetSchema.safeParse(argument).data;
}

/** How a command speaks of what it does. */
const words: Readonly<
  Record<RunAction, { readonly title: string; readonly done: string; readonly remedy: string }>
> = {
  pause: { title: 'Pause Training', done: 'paused', remedy: 'Start one: DCNet: Train DCNet.' },
  continue: { title: 'Continue Training', done: 'continued', remedy: 'Only a paused run can be.' },
  stop: {
    title: 'Stop Training',
    done: 'stopped',
    remedy: 'Only a run that this window’s engine trains can be.',
  },
  resume: {
    title: 'Resume Training',
    done: 'resumed',
    remedy: 'Only a stopped or failed run can be.',
  },
  inspect: {
    title: 'Inspect Layers',
    done: 'inspected',
    remedy: 'A run needs a checkpoint, which its first epoch ends with.',
  },
  edit: { title: 'Change', done: 'changed', remedy: 'A run under way must be stopped first.' },
};

/**
 * The run that a command means: the one it was called on, else the only one of which it can be true, else the one
 * the user picks; undefined when they pick none.
 * @throws DcnetError `usage` when there is no such run
 */
export async function pickRun(
  runs: RunStore,
  action: RunAction,
  argument: unknown,
): Promise<RunSnapshot | undefined> {
  const can = (run: RunSnapshot): boolean => runActions(run, runs.isOwned(run.directory)).has(action);
  const { title, done, remedy } = words[action];
  const target = targetOf(argument);
  if (target !== undefined) {
    const run = await runs.get(target.runDirectory);
    if (run !== undefined && can(run)) return run;
    throw new DcnetError({
      code: 'usage',
      message: `${run?.name ?? target.runDirectory} cannot be ${done} now.`,
      remedy,
    });
  }
  const fitting = (await runs.list()).filter(can);
  if (fitting.length === 0)
    throw new DcnetError({ code: 'usage', message: `No run can be ${done} now.`, remedy });
  if (fitting.length === 1) return fitting[0];
  return choose(title, fitting);
}

/** The newest run with a checkpoint: of the open config if it has one, else of all. */
export async function latestInspectable(
  runs: RunStore,
  config?: vscode.Uri,
): Promise<RunSnapshot | undefined> {
  const inspectable = (await runs.list()).filter(({ checkpoints }) => checkpoints.length > 0);
  const of = config ?? openConfig();
  return (of === undefined ? undefined : runsOf(of, inspectable)[0]) ?? inspectable[0];
}

export async function choose(title: string, runs: readonly RunSnapshot[]): Promise<RunSnapshot | undefined> {
  const items = runs.map((run) => ({
    label: `$(${statusIcons[run.state.status].id}) ${run.name}`,
    description: describeRun(run),
    run,
  }));
  return (await vscode.window.showQuickPick(items, { title, placeHolder: 'Which run?' }))?.run;
}
