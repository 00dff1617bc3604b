import * as vscode from 'vscode';
import type { TensorflowVariant, WorkProgress } from '../protocol/engine.js';
import { withInstallProgress } from './installProgress.js';

const choices: readonly (vscode.QuickPickItem & { readonly variant: TensorflowVariant })[] = [
  {
    variant: 'cuda12',
    label: 'TensorFlow for NVIDIA GPUs',
    description: 'CUDA 12, Linux',
    detail:
      'PyPI’s tensorflow[and-cuda], some 3 GB, and the binding compiled against it. Needs an NVIDIA driver, g++, Python with pip.',
  },
  {
    variant: 'cpu',
    label: 'TensorFlow for the CPU',
    description: 'Linux',
    detail:
      'PyPI’s tensorflow-cpu, some 250 MB, and the binding compiled against it. Needs g++ and Python with pip.',
  },
  {
    variant: 'npm-prebuilt',
    label: 'npm’s prebuilt TensorFlow 2.9',
    description: 'CUDA 11.2, Linux and Windows',
    detail: 'For NVIDIA cards up to Ampere; runs on the CPU where it finds no CUDA 11.2. Needs npm.',
  },
];

type SetUp = (
  variant: TensorflowVariant,
  options: { readonly signal: AbortSignal; readonly onProgress: (progress: WorkProgress) => void },
) => Promise<{ readonly version: string; readonly device: string; readonly warning?: string | undefined }>;

/**
 * Install a TensorFlow runtime that the user chooses, with progress and cancel, and offer to use it.
 * @throws DcnetError `backend`: what is missing or failed; `cancelled`
 */
export async function setUpTensorflow(setUp: SetUp, restartEngine: () => Promise<void>): Promise<void> {
  const picked = await vscode.window.showQuickPick(choices, {
    title: 'Set Up TensorFlow Runtime',
    placeHolder: 'Which one? It is installed for you alone, outside the extension.',
  });
  if (picked === undefined) return;
  const { version, device, warning } = await withInstallProgress(picked.label, (options) =>
    setUp(picked.variant, options),
  );
  const restart = 'Restart Engine';
  const next = 'The engine uses it from its next start.';
  const answer = await (warning === undefined
    ? vscode.window.showInformationMessage(
        `TensorFlow is set up (${version}) and computes on the ${device}. ${next}`,
        restart,
      )
    : vscode.window.showWarningMessage(`TensorFlow is set up (${version}). ${warning} ${next}`, restart));
  if (answer === restart) await restartEngine();
}
