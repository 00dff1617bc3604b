import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeLargeCheckpoint } from '../../../src/bench/checkpoints.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { writeCheckpoint } from '../../../src/engine/checkpoint/checkpoint.js';
import { compareWeights } from '../../../src/engine/comparison/weights.js';
import { testBackend } from '../backends.js';
import { temporaryFolder } from '../data/tinyData.js';

describe('two checkpoints of 17 million weights', () => {
  let a: string;
  let b: string;

  beforeAll(async () => {
    await startBackend(testBackend);
    const folder = await temporaryFolder();
    [a, b] = [path.join(folder, 'a.dcnet.safetensors'), path.join(folder, 'b.dcnet.safetensors')];
    await writeCheckpoint(a, encodeLargeCheckpoint(1));
    await writeCheckpoint(b, encodeLargeCheckpoint(2));
  }, 120_000);

  it('are compared in an answer under 1 MB', async () => {
    const comparison = await compareWeights({ a: { file: a }, b: { file: b } });
    expect(comparison.a.weights).toBeGreaterThan(16.7e6);
    expect(JSON.stringify(comparison).length).toBeLessThan(1e6);
  }, 120_000);
});
