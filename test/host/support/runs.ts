import { readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import {
  isOver,
  type RunState,
  runFiles,
  runStateSchema,
  type Summary,
  summarySchema,
} from '../../../src/core/run/run.js';
import { inWorkspace } from './extension.js';
import { until } from './until.js';

export const runsDirectory = (): string => inWorkspace('runs');

export function runNames(): string[] {
  try {
    return readdirSync(runsDirectory()).sort();
  } catch {
    return []; // no run yet
  }
}

export function readState(run: string): RunState {
  return runStateSchema.parse(
    JSON.parse(readFileSync(path.join(runsDirectory(), run, runFiles.state), 'utf8')),
  );
}

export function readSummary(run: string): Summary {
  return summarySchema.parse(
    JSON.parse(readFileSync(path.join(runsDirectory(), run, runFiles.summary), 'utf8')),
  );
}

/** The run that appears while `start` does what makes it. */
export async function newRun(start: () => PromiseLike<unknown>): Promise<string> {
  const before = new Set(runNames());
  await start();
  return until('a new run', () => runNames().find((name) => !before.has(name)));
}

export async function untilStatus(
  run: string,
  status: RunState['status'],
  limitMs?: number,
): Promise<RunState> {
  return until(
    `${run} is ${status}`,
    () => {
      const state = readState(run);
      if (state.status !== status && isOver(state.status)) throw new Error(JSON.stringify(state));
      return state.status === status && state;
    },
    limitMs,
  );
}

/** As at first: no run of another suite in the tree, no panel of it open. */
export async function startAfresh(): Promise<void> {
  await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  rmSync(runsDirectory(), { recursive: true, force: true });
  await vscode.commands.executeCommand('dcnet.refreshRuns');
  await until('the runs of other suites are gone', () => runNames().length === 0);
}
