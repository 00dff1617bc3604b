import path from 'node:path';
import { reportFileName } from '../core/run/names.js';
import { checkpointExtension, runFiles } from '../core/run/run.js';
import { type EngineFlags, startTold, withProgress } from './engine.js';
import type { Output } from './output.js';

/** The inspection of a checkpoint as one HTML file. */
export async function report(
  checkpoint: string,
  { split, out, ...flags }: EngineFlags & { readonly split: 'train' | 'test'; readonly out?: string },
  output: Output,
): Promise<void> {
  const engine = await startTold(flags, output);
  const absolute = path.resolve(checkpoint);
  const request = { checkpoint: absolute, split, file: path.resolve(out ?? defaultName(absolute)) };
  const written = await withProgress(output, (context) => engine.writeReport(request, context));
  output.answer(written);
  output.say(`Report: ${written.file} (${(written.bytes / 1e6).toFixed(1)} MB)`);
}

function defaultName(checkpoint: string): string {
  const folder = path.dirname(checkpoint);
  const run =
    path.basename(folder) === runFiles.checkpoints ? path.basename(path.dirname(folder)) : undefined;
  return reportFileName(run, path.basename(checkpoint, checkpointExtension));
}
