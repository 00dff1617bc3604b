import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { ExperimentData } from '../../core/reproduce/experiment.js';
import { usageError } from '../output.js';

/** Where a data set is looked for when no folder is named: here, and where Debian's package puts it. */
const usualFolders: Readonly<Record<ExperimentData['kind'], readonly string[]>> = {
  'fashion-mnist': ['fashion-mnist', 'data/fashion-mnist', '/usr/share/datasets/fashion-mnist'],
  mnist: ['mnist', 'data/mnist'],
  cifar10: ['cifar10', 'data/cifar10', 'cifar-10-batches-bin'],
  cifar100: ['cifar100', 'data/cifar100', 'cifar-100-binary'],
};

/**
 * The folder of an experiment's data.
 * @throws DcnetError `usage` when there is none
 */
export async function findData(
  kind: ExperimentData['kind'],
  named: string | undefined,
): Promise<ExperimentData> {
  const candidates = (named === undefined ? usualFolders[kind] : [named]).map((folder) =>
    path.resolve(folder),
  );
  for (const folder of candidates)
    if ((await stat(folder).catch(() => undefined))?.isDirectory()) return { kind, folder };
  throw usageError(
    named === undefined ? `There is no ${kind} here.` : `There is no folder ${candidates[0]}.`,
    `Run dcnet data get ${kind}, or name its folder with --data.`,
  );
}
