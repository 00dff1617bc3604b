import * as vscode from 'vscode';
import type { WorkProgress } from '../protocol/engine.js';
import { withInstallProgress } from './installProgress.js';

type SetUp = (options: {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: WorkProgress) => void;
}) => Promise<{ readonly version: string; readonly device: string | null }>;

/**
 * Install Dawn, with progress and cancel, and offer to use it.
 * @throws DcnetError `backend`: what is missing or failed; `cancelled`
 */
export async function setUpWebgpu(setUp: SetUp, restartEngine: () => Promise<void>): Promise<void> {
  const { version, device } = await withInstallProgress('WebGPU', setUp);
  const restart = 'Restart Engine';
  const found = device === null ? 'finds no GPU here: DCNet Doctor says what is missing' : `finds ${device}`;
  const answer = await vscode.window.showInformationMessage(
    `WebGPU (Dawn ${version}) is set up and ${found}. The engine looks for it at its next start.`,
    restart,
  );
  if (answer === restart) await restartEngine();
}
