import path from 'node:path';
import { errorsFileName } from '../../core/run/names.js';
import { checkpointExtension, runFiles } from '../../core/run/run.js';
import { type StoredErrors, storedErrorsSchema } from '../../core/verdict/analysis.js';
import { readStored } from '../inspection/store.js';
import type { RunFolder } from '../training/runFolder.js';

/** Where a run keeps the errors of one of its checkpoints: `inspections/epoch-0001.test.errors.json`. */
export function errorsFile(folder: RunFolder, checkpointFile: string, split: 'train' | 'test'): string {
  const name = path.basename(checkpointFile, checkpointExtension);
  return folder.path(runFiles.inspections, errorsFileName(name, split));
}

/** Stored errors, if they are of this very checkpoint; what is of another or cannot be read is made anew. */
export async function readErrors(file: string, checkpointSha256: string): Promise<StoredErrors | undefined> {
  const stored = await readStored(file, storedErrorsSchema);
  return stored?.analysis.checkpointSha256 === checkpointSha256 ? stored : undefined;
}
