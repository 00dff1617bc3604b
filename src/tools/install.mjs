// Installs what a bare clone lacks: the packages, and a browser for the tests. Run as a program it installs the packages.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fromRoot } from './paths.mjs';
import { findProgram, isProgram, run, runProgram, StepError } from './system.mjs';

/** @typedef {'inherit' | 'stderr'} Output */

/** npm as it came with this Node. */
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/**
 * Whether `node_modules` in a directory holds what its lock file says. npm keeps a record of what it installed; optional packages may
 * be missing from it, where their install failed or they are for another platform.
 * @param {string} directory
 * @returns {Promise<boolean>}
 */
export async function isInstalled(directory) {
  const wanted = await readLock(`${directory}/package-lock.json`);
  const installed = await readLock(`${directory}/node_modules/.package-lock.json`);
  if (wanted === undefined)
    throw new StepError(
      `${directory}/package-lock.json is missing`,
      'Restore it: git checkout package-lock.json',
    );
  if (installed === undefined) return false;
  return Object.entries(wanted).every(([location, { version, optional }]) => {
    if (location === '') return true;
    const there = installed[location];
    return there === undefined ? optional === true : there.version === version;
  });
}

/**
 * @param {string} file
 * @returns {Promise<Record<string, { version?: string, optional?: boolean }> | undefined>} undefined where there is no such file
 */
async function readLock(file) {
  try {
    return JSON.parse(await readFile(file, 'utf8')).packages;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Installs the repository's packages, unless they are there.
 * @param {{ output?: Output }} [options]
 */
export async function ensurePackages({ output = 'inherit' } = {}) {
  if (await isInstalled(fromRoot())) return;
  const { code } = await run(npm, ['ci', '--no-audit', '--no-fund'], { output });
  if (code !== 0)
    throw new StepError(
      `npm ci ended with exit code ${code}`,
      'Check the network and npm’s messages above, then try again.',
    );
}

/** Where Chromium is, unless `DCNET_CHROMIUM` says so. */
const chromiumNames = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/**
 * The browser in which the served VS Code is tested; installed by apt where that needs no questions.
 * @param {{ output?: Output }} [options]
 * @returns {Promise<string>} its path
 */
export async function ensureChromium({ output = 'inherit' } = {}) {
  const found = await findChromium();
  if (found !== undefined) return found;
  const packages = ['chromium', 'fonts-dejavu-core'];
  const apt = await findProgram('apt-get');
  if (apt !== undefined && process.getuid?.() === 0) {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await run(apt, ['update', '-q'], { output, env });
    const { code } = await run(apt, ['install', '-q', '-y', '--no-install-recommends', ...packages], {
      output,
      env,
    });
    const installed = await findChromium();
    if (code === 0 && installed !== undefined) return installed;
    throw new StepError(
      `apt-get install ${packages.join(' ')} ended with exit code ${code}`,
      'See its messages above.',
    );
  }
  throw new StepError(
    'No Chromium on this machine',
    apt !== undefined
      ? `Run: sudo apt-get install --no-install-recommends ${packages.join(' ')}`
      : 'Install Chromium or Chrome and put it on the PATH, or name it in DCNET_CHROMIUM.',
  );
}

/** @returns {Promise<string | undefined>} */
export async function findChromium() {
  if (process.env.DCNET_CHROMIUM) return process.env.DCNET_CHROMIUM;
  for (const name of chromiumNames) {
    const found = await findProgram(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Where Debian's Chromium lies, with a GPU in software and the library that programs find it by. */
const chromiumFolder = '/usr/lib/chromium';

/**
 * What a program needs in its environment to compute on SwiftShader, Chromium's simulated GPU; nothing where it is not installed.
 * @returns {NodeJS.ProcessEnv}
 */
export function findSwiftShader() {
  const driver = `${chromiumFolder}/vk_swiftshader_icd.json`;
  if (!existsSync(driver)) return {};
  // Older loaders know the second name only.
  return { VK_DRIVER_FILES: driver, VK_ICD_FILENAMES: driver, LD_LIBRARY_PATH: chromiumFolder };
}

if (isProgram(import.meta.url)) await runProgram(ensurePackages);
