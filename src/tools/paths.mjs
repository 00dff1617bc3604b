import { existsSync, readdirSync } from 'node:fs';
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

/**
 * The script that each panel's document starts with, by the panel's name: a folder of `webview` that has one is a panel.
 * @returns {Record<string, string>}
 */
export function panelEntries() {
  const entries = readdirSync(fromRoot('webview'))
    .map((name) => /** @type {const} */ ([name, `webview/${name}/main.ts`]))
    .filter(([, script]) => existsSync(fromRoot(script)));
  return Object.fromEntries(entries);
}
