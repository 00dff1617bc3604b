// A headless Chromium that shows the served workbench and can be driven over the Chrome DevTools Protocol.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { StepError } from '../system.mjs';

const chromiumArgs = [
  // Chromium's sandbox does not start for root, as in containers; it only ever shows our own server.
  '--no-sandbox',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  // Screenshots are the same on every screen.
  '--force-color-profile=srgb',
  // Nothing but the loopback interface is ever reached.
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1',
];

/**
 * @param {string} executable
 * @returns {Promise<{ page: import('playwright-core').Page, cdpUrl: string, close: () => Promise<void> }>}
 *   `cdpUrl` is where another process connects to drive the same page
 */
export async function startBrowser(executable) {
  const profile = await mkdtemp(path.join(tmpdir(), 'dcnet-chromium-'));
  const removeProfile = () => rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  try {
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: executable,
      headless: true,
      viewport: { width: 1440, height: 900 },
      args: [...chromiumArgs, '--remote-debugging-port=0'],
    });
    const [port] = (await readFile(path.join(profile, 'DevToolsActivePort'), 'utf8')).split('\n');
    return {
      page: context.pages()[0] ?? (await context.newPage()),
      cdpUrl: `http://127.0.0.1:${port}`,
      close: async () => {
        await context.close();
        await removeProfile();
      },
    };
  } catch (error) {
    await removeProfile();
    throw new StepError(
      `${executable} does not start: ${error instanceof Error ? error.message : error}`,
      'Run it by hand to see why.',
    );
  }
}
