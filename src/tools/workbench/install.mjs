// Installs the served VS Code into this folder. It is packed by npm's `code-server`, for Linux.
import { rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { isInstalled } from '../install.mjs';
import { fromRoot } from '../paths.mjs';
import { run, StepError } from '../system.mjs';

const here = fromRoot('src/tools/workbench');

/** VS Code's server, as `code-server` packs it. */
export const serverDirectory = path.join(here, 'node_modules/code-server/lib/vscode');
/** The Node the server is built for: the system's may be older. */
export const serverNode = path.join(here, `node_modules/node-linux-${process.arch}/bin/node`);

/** Whether the served VS Code can run on this machine at all. */
function isWorkbenchSupported() {
  return process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64');
}

/**
 * Installs the served VS Code, unless it is there: some 500 MB, nothing is compiled.
 * @param {{ output?: 'inherit' | 'stderr' }} [options]
 */
export async function ensureWorkbench({ output = 'inherit' } = {}) {
  if (!isWorkbenchSupported())
    throw new StepError(
      `The served VS Code is made for Linux on x64 and arm64, not for ${process.platform} on ${process.arch}`,
      'Install the desktop VS Code and its `code` command (Command Palette: “Shell Command: Install code command in PATH”).',
    );
  if (!(await isInstalled(here))) {
    const { code } = await run(
      'npm',
      ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error'],
      { cwd: here, output },
    );
    if (code !== 0)
      throw new StepError(
        `npm ci in src/tools/workbench ended with exit code ${code}`,
        'Check the network and npm’s messages above.',
      );
  }
  await linkModules();
}

/** The server and the workbench it serves look for their packages in the server's own folder only. */
async function linkModules() {
  const link = path.join(serverDirectory, 'node_modules');
  await rm(link, { force: true });
  await symlink('../../..', link);
}
