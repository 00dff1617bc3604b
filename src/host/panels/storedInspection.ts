import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { checkpointExtension, runFiles } from '../../core/run/run.js';
import { type Inspection, inspectionSchema } from '../../core/statistics/inspection.js';

/**
 * The inspection of a checkpoint that the run's folder keeps.
 * @returns `fresh` tells whether it is of the checkpoint as it is now; undefined where there is none
 */
export async function readStoredInspection(
  runDirectory: string,
  checkpoint: string,
): Promise<{ readonly inspection: Inspection; readonly fresh: boolean } | undefined> {
  const name = path.basename(checkpoint, checkpointExtension);
  const file = path.join(runDirectory, runFiles.inspections, `${name}.json`);
  let inspection: Inspection | undefined;
  try {
    inspection = inspectionSchema.safeParse(JSON.parse(await readFile(file, 'utf8'))).data;
  } catch {
    return undefined; // none yet, or half of one: it is measured anew
  }
  if (inspection === undefined) return undefined;
  return { inspection, fresh: (await sha256(checkpoint)) === inspection.checkpointSha256 };
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
