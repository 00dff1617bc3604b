import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * A path in the repository, absolute.
 * @param {string} [relative] with forward slashes
 */
export function fromRoot(relative = '.') {
  return path.join(root, relative);
}
