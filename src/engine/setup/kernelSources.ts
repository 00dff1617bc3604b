import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The module that the set-up compiles of our TensorFlow kernels, beside the binding's own. */
export const kernelLibrary = 'dcnet_ops.node';

/** The C++ source of our TensorFlow kernels, as it ships. */
export interface KernelSources {
  readonly folder: string;
  /** Names of the files to compile. */
  readonly files: readonly string[];
  /** Changes with every change of the source: what was compiled from another one is out of date. */
  readonly version: string;
}

/** Read the source: beside the bundle, or where it is written. */
export function readKernelSources(): KernelSources {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const folder = path.join(here, import.meta.url.endsWith('.ts') ? '../backend/native' : 'native');
  const names = readdirSync(folder).sort();
  const hash = createHash('sha256');
  for (const name of names) hash.update(readFileSync(path.join(folder, name)));
  return {
    folder,
    files: names.filter((name) => name.endsWith('.cc')),
    version: hash.digest('hex').slice(0, 16),
  };
}
