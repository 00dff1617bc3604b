import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type * as z from 'zod';
import { DcnetError } from '../../core/errors.js';
import { checkpointExtension, runFiles } from '../../core/run/run.js';
import { type Inspection, inspectionSchema } from '../../core/statistics/inspection.js';
import { replaceFile } from '../checkpoint/atomicFile.js';
import type { RunFolder } from '../training/runFolder.js';

/** Where a run keeps the inspection of one of its checkpoints: `inspections/epoch-0001.test.json`. */
export function inspectionFile(folder: RunFolder, checkpointFile: string, split: string): string {
  const name = path.basename(checkpointFile, checkpointExtension);
  return folder.path(runFiles.inspections, `${name}.${split}.json`);
}

/** A stored inspection, if it is of this very checkpoint; one that is of another or cannot be read is made anew. */
export async function readInspection(
  file: string,
  checkpointSha256: string,
): Promise<Inspection | undefined> {
  const inspection = await readStored(file, inspectionSchema);
  return inspection?.checkpointSha256 === checkpointSha256 ? inspection : undefined;
}

/**
 * What an analysis stored of a checkpoint; undefined where there is none, or a file of another program or version,
 * which analysing again replaces.
 * @throws DcnetError `io`
 */
export async function readStored<S extends z.ZodType>(
  file: string,
  schema: S,
): Promise<z.infer<S> | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw inspectionError(file, thrown);
  }
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // not JSON
  }
}

/** @throws DcnetError `io` */
export async function writeStored(file: string, analysis: unknown): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await replaceFile(file, JSON.stringify(analysis));
  } catch (thrown) {
    throw inspectionError(file, thrown);
  }
}

function inspectionError(file: string, thrown: unknown): DcnetError {
  return new DcnetError(
    {
      code: 'io',
      message: `The stored inspection cannot be read or written (${(thrown as Error).message}).`,
      remedy: 'Check that the disk has room and the folder may be written to.',
      file,
    },
    { cause: thrown },
  );
}
