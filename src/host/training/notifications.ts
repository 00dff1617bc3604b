import path from 'node:path';
import * as vscode from 'vscode';
import { DcnetError } from '../../core/errors.js';
import type { Summary } from '../../core/run/run.js';
import { showError } from '../errors.js';
import { percent } from '../runs/describe.js';

/** One word at the end of a run. A run that the user stopped needs none. */
export async function notifyFinished(
  log: vscode.LogOutputChannel,
  runDirectory: string,
  { status, testAccuracy, trainSeconds, error }: Summary,
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
    case 'failed':
      return showError(log, error === undefined ? unexplained(name) : new DcnetError(error));
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

/** The engine died with runs in hand: they can go on where they last wrote a checkpoint. */
export async function notifyEngineDied(log: vscode.LogOutputChannel, runs: readonly string[]): Promise<void> {
  const names = runs.map((directory) => path.basename(directory)).join(', ');
  log.error(`The engine process ended unexpectedly while it trained ${names}`);
  const resume = 'Resume';
  const showLog = 'Show Log';
  const chosen = await vscode.window.showErrorMessage(
    `The engine process ended unexpectedly while it trained ${names}. Resume to go on from the newest checkpoint.`,
    resume,
    showLog,
  );
  if (chosen === showLog) log.show(true);
  if (chosen === resume)
    for (const runDirectory of runs)
      await vscode.commands.executeCommand('dcnet.resumeRun', { runDirectory });
}
