import path from 'node:path';
import * as vscode from 'vscode';
import { DcnetError } from '../../core/errors.js';
import { type BatchParts, describeParts, halvedBatch, partsCaveat } from '../../core/run/batchParts.js';
import { lessMemory, likelyCause } from '../../core/run/liveness.js';
import type { Summary } from '../../core/run/run.js';
import { describeRuntime } from '../../core/run/runtime.js';
import type { EngineDeath } from '../engine/engineClient.js';
import { showError } from '../errors.js';
import { percent } from '../runs/describe.js';
import type { OwnedRun } from '../runs/runStore.js';

/** One word at the end of a run. A run that the user stopped needs none. */
export async function notifyFinished(
  log: vscode.LogOutputChannel,
  runDirectory: string,
  { status, testAccuracy, trainSeconds, batch, error }: Summary,
): Promise<void> {
  const name = path.basename(runDirectory);
  const target = { runDirectory };
  switch (status) {
    case 'completed': {
      const inspect = 'Inspect Layers';
      const show = 'Show Training';
      const result = testAccuracy === undefined ? '' : `: ${percent(testAccuracy)} on the test images`;
      const chosen = await vscode.window.showInformationMessage(
        `${name} is trained${result}, in ${Math.round(trainSeconds)} s.`,
        inspect,
        show,
      );
      if (chosen === inspect) await vscode.commands.executeCommand('dcnet.inspectLayers', target);
      if (chosen === show) await vscode.commands.executeCommand('dcnet.openTrainingPanel', target);
      return;
    }
    case 'failed': {
      const halved = error?.code === 'memory' ? batch && halvedBatch(batch) : undefined;
      const told = error === undefined ? unexplained(name) : new DcnetError(error);
      return halved === undefined ? showError(log, told) : askToHalve(log, runDirectory, told, halved);
    }
    case 'stopped':
      log.info(`${name} was stopped`);
  }
}

function unexplained(name: string): DcnetError {
  return new DcnetError({
    code: 'engine',
    message: `${name} failed without saying why.`,
    remedy: 'The DCNet log has what the engine said; the run can be resumed from its newest checkpoint.',
  });
}

/** From so many crashes on of a runtime another one is offered. */
const crashesUntilOther = 2;
/** What runs everywhere. */
const other = { backend: 'wasm', title: 'WebAssembly' } as const;

/**
 * The engine died with runs in hand: they can go on where they last wrote a checkpoint.
 * @param crashes how often each runtime did that, which is counted on
 */
export async function notifyEngineDied(
  log: vscode.LogOutputChannel,
  runs: readonly OwnedRun[],
  { exit, lastWords }: EngineDeath,
  crashes: Map<string, number>,
): Promise<void> {
  const names = runs.map(({ directory }) => path.basename(directory)).join(', ');
  const how = exit === undefined ? '' : ` (${exit})`;
  const cause = likelyCause(exit);
  const trained = runs.find(({ state }) => state.status !== 'queued')?.state;
  const runtime = trained?.runtime;
  const withWhat = runtime === undefined ? '' : ` with ${describeRuntime(runtime)}`;
  const what = `The engine process ended unexpectedly${how} while it trained ${names}${withWhat}.${cause === undefined ? '' : ` ${cause}`}`;
  // What was killed from outside said nothing of it.
  const isTold = cause === undefined && lastWords.length > 0;
  const words = isTold ? ` Its last words: ${lastWords.join(' / ')}.` : '';
  log.error(what + words);
  const batch = trained?.batch;
  const halved = cause === undefined ? undefined : batch && halvedBatch(batch);
  const halving =
    halved === undefined
      ? ''
      : ` Halve and Resume does so with each batch of ${halved.images} in ${describeParts(halved)}. ${partsCaveat}`;
  const less = cause === undefined ? '' : `${halving} ${lessMemory}`;
  // What was killed from outside did not crash.
  const count = runtime === undefined || cause !== undefined ? 0 : (crashes.get(runtime.name) ?? 0) + 1;
  if (runtime !== undefined && count > 0) crashes.set(runtime.name, count);
  const isOffered = count >= crashesUntilOther && runtime?.name !== other.backend;
  const resume = 'Resume';
  const halve = 'Halve and Resume';
  const resumeOnOther = `Resume on ${other.title}`;
  const showLog = 'Show Log';
  const offer = isOffered
    ? ` With ${runtime?.name} that has happened ${count} times now: ${resumeOnOther} goes on with that instead. It rounds differently.`
    : '';
  const chosen = await vscode.window.showErrorMessage(
    `${what}${words} Nothing is lost but the steps since the newest checkpoint: Resume goes on from there.${less}${offer}`,
    ...[resume, ...(halved === undefined ? [] : [halve]), ...(isOffered ? [resumeOnOther] : []), showLog],
  );
  if (chosen === showLog) log.show(true);
  if (chosen === undefined || chosen === showLog) return;
  const because = `${runtime?.name} had ended the engine’s process ${count} times${exit === undefined ? '' : `, last with ${exit}`}`;
  for (const { directory } of runs)
    await vscode.commands.executeCommand('dcnet.resumeRun', {
      runDirectory: directory,
      halve: chosen === halve,
      on: chosen === resumeOnOther ? { backend: other.backend, because } : undefined,
    });
}

/** A run did not fit into memory: whether it is to go on with half the images at a time. */
async function askToHalve(
  log: vscode.LogOutputChannel,
  runDirectory: string,
  error: DcnetError,
  halved: BatchParts,
): Promise<void> {
  log.error(error.describe());
  const halve = 'Halve and Resume';
  const showLog = 'Show Log';
  const chosen = await vscode.window.showErrorMessage(
    `${path.basename(runDirectory)}: ${error.message} Shall it go on from its newest checkpoint with each batch of ${halved.images} in ${describeParts(halved)}? ${partsCaveat}`,
    halve,
    showLog,
  );
  if (chosen === showLog) log.show(true);
  if (chosen === halve)
    await vscode.commands.executeCommand('dcnet.resumeRun', { runDirectory, halve: true });
}
