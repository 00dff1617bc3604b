import * as vscode from 'vscode';
import type { WorkProgress } from '../protocol/engine.js';

/** Do long work under a notification that shows how far it is and can be cancelled. */
export async function withInstallProgress<T>(
  what: string,
  work: (options: {
    readonly signal: AbortSignal;
    readonly onProgress: (progress: WorkProgress) => void;
  }) => Promise<T>,
): Promise<T> {
  return vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: `DCNet: ${what}`, cancellable: true },
    (progress, token) => {
      const abort = new AbortController();
      token.onCancellationRequested(() => abort.abort());
      let shown = 0;
      return work({
        signal: abort.signal,
        onProgress: ({ activity, done, total }) => {
          progress.report({ message: activity, increment: (100 * (done - shown)) / total });
          shown = done;
        },
      });
    },
  );
}
