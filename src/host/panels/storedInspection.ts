import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { errorsFileName, inspectionFileName } from '../../core/run/names.js';
import { checkpointExtension, runFiles } from '../../core/run/run.js';
import { type Inspection, inspectionSchema } from '../../core/statistics/inspection.js';
import { type ErrorAnalysis, storedErrorsSchema } from '../../core/verdict/analysis.js';

/**
 * The inspection of a checkpoint that the run's folder keeps.
 * @returns `fresh` tells whether it is of the checkpoint as it is now; undefined where there is none
 */
export async function readStoredInspection(
  runDirectory: string,
  checkpoint: string,
): Promise<{ readonly inspection: Inspection; readonly fresh: boolean } | undefined> {
  const name = inspectionFileName(path.basename(checkpoint, checkpointExtension), 'test');
  const file = path.join(runDirectory, runFiles.inspections, name);
  let inspection: Inspection | undefined;
  try {
    inspection = inspectionSchema.safeParse(JSON.parse(await readFile(file, 'utf8'))).data;
  } catch {
    return undefined; // none yet, or half of one: it is measured anew
  }
  if (inspection === undefined) return undefined;
  const fresh = (await sha256(checkpoint)) === inspection.checkpointSha256;
  // The folder may have been renamed since.
  return { inspection: { ...inspection, checkpoint, run: path.basename(runDirectory) }, fresh };
}

/** The errors of a checkpoint, as it is now, that the run's folder keeps; undefined where there are none. */
export async function readStoredErrors(
  runDirectory: string,
  checkpoint: string,
): Promise<ErrorAnalysis | undefined> {
  const name = errorsFileName(path.basename(checkpoint, checkpointExtension), 'test');
  try {
    const text = await readFile(path.join(runDirectory, runFiles.inspections, name), 'utf8');
    const analysis = storedErrorsSchema.shape.analysis.safeParse(JSON.parse(text).analysis).data;
    if (analysis === undefined || (await sha256(checkpoint)) !== analysis.checkpointSha256) return undefined;
    // The folder may have been renamed since.
    return { ...analysis, checkpoint, run: path.basename(runDirectory) };
  } catch {
    return undefined; // none yet, or half of one: the engine makes it anew
  }
}

/** Undefined for a file that cannot be read: the engine says why when it is asked to measure it. */
async function sha256(file: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(file), hash);
  } catch {
    return undefined;
  }
  return hash.digest('hex');
}
