import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ensureChromium } from '../../src/tools/install.mjs';

let bin: string;
beforeEach(() => {
  bin = mkdtempSync(path.join(tmpdir(), 'dcnet-bin-'));
  vi.stubEnv('PATH', bin);
  vi.stubEnv('DCNET_CHROMIUM', '');
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  rmSync(bin, { recursive: true });
});

function program(name: string, script = ''): string {
  const file = path.join(bin, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}

const asUser = (id: number) => vi.spyOn(process, 'getuid').mockReturnValue(id);

describe.skipIf(process.platform === 'win32')('Chromium for the tests', () => {
  it('is the one on the PATH', async () => {
    program('google-chrome');
    const chromium = program('chromium');
    expect(await ensureChromium()).toBe(chromium);
  });

  it('is the one that the environment names', async () => {
    program('chromium');
    vi.stubEnv('DCNET_CHROMIUM', '/opt/chromium');
    expect(await ensureChromium()).toBe('/opt/chromium');
  });

  it('is installed by apt for root', async () => {
    asUser(0);
    const chromium = path.join(bin, 'chromium');
    program('apt-get', `[ "$1" = install ] && echo > ${chromium} && /bin/chmod 755 ${chromium}; exit 0`);
    expect(await ensureChromium({ output: 'stderr' })).toBe(chromium);
  });

  it('says so when apt cannot install it', async () => {
    asUser(0);
    program('apt-get', 'exit 100');
    await expect(ensureChromium({ output: 'stderr' })).rejects.toThrow(
      'apt-get install chromium fonts-dejavu-core ended with exit code 100',
    );
  });

  it('is not installed for other users: they are told how to', async () => {
    asUser(1000);
    program('apt-get', 'exit 1');
    await expect(ensureChromium()).rejects.toMatchObject({
      message: 'No Chromium on this machine',
      remedy: 'Run: sudo apt-get install --no-install-recommends chromium fonts-dejavu-core',
    });
  });
});
