import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isInstalled } from '../../src/tools/install.mjs';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'dcnet-install-'));
  mkdirSync(path.join(directory, 'node_modules'));
});
afterEach(() => rmSync(directory, { recursive: true }));

type Packages = Record<string, { version: string; optional?: boolean }>;
const lock = (packages: Packages) =>
  writeFileSync(path.join(directory, 'package-lock.json'), JSON.stringify({ packages }));
const installed = (packages: Packages) =>
  writeFileSync(path.join(directory, 'node_modules/.package-lock.json'), JSON.stringify({ packages }));

describe('whether packages are installed', () => {
  it('is so when each has the version of the lock file', async () => {
    lock({ '': { version: '0.1.0' }, 'node_modules/a': { version: '1.0.0' } });
    installed({ 'node_modules/a': { version: '1.0.0' } });
    expect(await isInstalled(directory)).toBe(true);
  });

  it('is not so on a bare clone', async () => {
    lock({ 'node_modules/a': { version: '1.0.0' } });
    expect(await isInstalled(directory)).toBe(false);
  });

  it('is not so when one is missing or has another version', async () => {
    lock({ 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '1.0.0' } });
    installed({ 'node_modules/a': { version: '1.0.0' } });
    expect(await isInstalled(directory)).toBe(false);
    installed({ 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '1.0.1' } });
    expect(await isInstalled(directory)).toBe(false);
  });

  it('does without optional packages, whose installation may fail', async () => {
    lock({
      'node_modules/a': { version: '1.0.0' },
      'node_modules/gpu': { version: '1.0.0', optional: true },
    });
    installed({ 'node_modules/a': { version: '1.0.0' } });
    expect(await isInstalled(directory)).toBe(true);
  });

  it('cannot be told without a lock file', async () => {
    await expect(isInstalled(directory)).rejects.toThrow('package-lock.json is missing');
  });
});
