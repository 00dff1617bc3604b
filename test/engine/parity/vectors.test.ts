import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { testBackend } from '../backends.js';

/** What `record.py` ends with where Python has no PyTorch. */
const missingTorch = 3;

test('the recorded vectors are what PyTorch computes now', { timeout: 300_000 }, ({ skip }) => {
  if (testBackend !== 'wasm') skip('this is about no backend, and is tested with wasm');
  const python = process.env.DCNET_PYTHON ?? 'python3';
  const script = fileURLToPath(new URL('../../parity/record.py', import.meta.url));
  const { status, stdout, stderr, error } = spawnSync(python, [script, '--check'], {
    encoding: 'utf8',
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  if (error !== undefined) skip(`${python} cannot be run (${error.message})`);
  if (status === missingTorch) skip(`${python} has no torch`);
  expect(`${stdout}${stderr}`.trim()).toBe('');
  expect(status).toBe(0);
});
