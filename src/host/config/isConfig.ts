import type { Uri } from 'vscode';

// Apart from the rest, because activation needs it: what it imports is loaded with every window.

/** The files that are configs of networks. */
export const configPattern = '**/*.dcnet.json';

/** Whether a file is a network's config, by its name. */
export function isConfig({ scheme, path }: Uri): boolean {
  return scheme === 'file' && path.endsWith('.dcnet.json');
}
