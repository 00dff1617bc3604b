// Tells the sources of the WebGPU kernels from what they were: choices between variants of others are worth nothing.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fromRoot } from './paths.mjs';

/**
 * Changes with every change of the sources. Bundles and tests know it as `process.env.DCNET_WGSL_VERSION`.
 * @param {string} [folder]
 */
export function wgslVersion(folder = fromRoot('src/engine/backend/wgsl')) {
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).sort())
    hash.update(`${name}\n`).update(readFileSync(path.join(folder, name)));
  return hash.digest('hex').slice(0, 16);
}
