import * as vscode from 'vscode';
import { skip } from './run.js';

/** What the user was asked. */
interface Question {
  readonly message: string;
  readonly detail: string | undefined;
  readonly buttons: readonly string[];
}

/**
 * Answer the modal questions of `work` with the buttons of these names (undefined: cancel), one after the other; the
 * last answer stands for all that follow. A VS Code under test shows no modal dialogs, so the question is caught on its
 * way; that works only where tests and extension share one `vscode`.
 * @returns what was asked
 */
export async function answering(
  context: Mocha.Context,
  answers: readonly (string | undefined)[],
  work: () => PromiseLike<unknown>,
): Promise<readonly Question[]> {
  if (process.env.DCNET_TEST_TARGET === 'vsix')
    skip(context, 'modal questions cannot be answered in an installed extension');
  const asked: Question[] = [];
  const original = vscode.window.showWarningMessage;
  const answer = async (
    message: string,
    options: vscode.MessageOptions,
    ...buttons: string[]
  ): Promise<string | undefined> => {
    asked.push({ message, detail: options.detail, buttons });
    const chosen = answers[Math.min(asked.length, answers.length) - 1];
    return buttons.find((button) => button === chosen);
  };
  Object.assign(vscode.window, { showWarningMessage: answer });
  try {
    await work();
  } finally {
    Object.assign(vscode.window, { showWarningMessage: original });
  }
  return asked;
}
