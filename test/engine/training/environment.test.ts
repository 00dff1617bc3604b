import { describe, expect, it } from 'vitest';
import { type Environment, environmentSchema } from '../../../src/core/run/run.js';
import type { Runtime } from '../../../src/engine/backend/backend.js';
import { changeWarning, goingOnWith, sinceStart } from '../../../src/engine/training/environment.js';

const card = 'Card 9 (acme); 16-bit floats (shader-f16)';
const gpu: Runtime = { name: 'webgpu', version: '1', device: card };
const environment: Environment = environmentSchema.parse({
  ...{ dcnetVersion: '0', node: 'v20', platform: 'linux', cpu: 'x', cores: 2, seed: 1 },
  ...{ backend: 'webgpu', backendVersion: '1', device: card, startedAt: '2026-01-01T00:00:00.000Z' },
  data: { name: 'data', sha256: '', trainImages: 1, testImages: 1, classNames: [] },
});

describe('a run that goes on', () => {
  it.each([
    { to: { ...gpu, precision: 'fp16' as const, device: `${card}, in use (fp16)` }, before: 'in fp32' },
    { to: { ...gpu, device: 'Card 10 (acme); 16-bit floats (shader-f16)' }, before: `on ${card}` },
    { to: { ...gpu, name: 'tensorflow' as const }, before: 'on webgpu' },
  ])('with another precision, device or backend has both in its record: $before', ({ to, before }) => {
    const now = goingOnWith(environment, to, 40);
    expect(changeWarning(environment, to)).toContain(`was trained ${before} up to here`);
    expect(sinceStart(now)).toBe(`it was started ${before}`);
    const { name: backend, device, precision = 'fp32' } = to;
    expect(now).toMatchObject({ backend, device, precision });
    expect(now.history).toMatchObject([
      { backend: 'webgpu', device: card, precision: 'fp32', fromStep: 0 },
      { backend, device, precision, fromStep: 40 },
    ]);
    const back = goingOnWith(now, gpu, 60);
    expect(back.history.map(({ fromStep }) => fromStep)).toEqual([0, 40, 60]);
    expect(sinceStart(back)).toBeUndefined();
  });

  it.each([
    [card, card],
    [
      'GPU (Card): a product of 1024×1024 takes 1 ms, 9 GFLOP/s',
      'GPU (Card): a product of 1024×1024 takes 2 ms, 4 GFLOP/s',
    ],
    ['Card 9 (acme)', card],
    ['CPU (WebAssembly SIMD)', 'CPU (WebAssembly SIMD), 2 threads'],
  ])('with the same is unchanged: %s, %s', (before, device) => {
    const started = { ...environment, device: before };
    expect(goingOnWith(started, { ...gpu, device }, 40)).toBe(started);
    expect(changeWarning(started, { ...gpu, device })).toBeUndefined();
  });
});
