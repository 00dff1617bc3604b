import { describe, expect, it, test, vi } from 'vitest';
import { traffic } from '../../../src/bench/gpuTraffic.js';
import { describeOn, testBackend } from '../backends.js';
import { collect } from './collect.js';

describeOn('webgpu', 'the bench’s counts of what a GPU is sent', () => {
  test('are those of a fixed and an adaptive R, beside a plain convolution', async () => {
    const onMissing = vi.fn();
    const figures = await collect(traffic({ onMissing }, true));
    expect(onMissing).not.toHaveBeenCalled();
    const layers = [
      'tanh · cosine, 2×32×32×3 to 32, stride 1, same',
      'seg · sigmoid, 2×16×16×16 to 32, stride 2, same',
    ];
    const found = (what: string, part: string, of: string): number | undefined =>
      figures.find(({ what: [, name, each], on }) => name === what && each === part && on === `webgpu, ${of}`)
        ?.value.median;
    for (const layer of layers) {
      for (const [pass, most] of [
        ['inference', 2],
        ['forward', 2],
        ['backward', 4],
      ] as const) {
        expect(found(`${pass}, ${layer}`, 'kernels', 'fixed R')).toBeLessThanOrEqual(most);
        expect(found(`${pass}, ${layer}`, 'bytes of plain', 'fixed R')).toBeLessThan(1.3);
        expect(found(`${pass}, ${layer}`, 'kernels', 'plain')).toBeGreaterThanOrEqual(1);
      }
      // The norms come first, and their mean.
      expect(found(`forward, ${layer}`, 'kernels', 'adaptive R')).toBeGreaterThan(
        found(`forward, ${layer}`, 'kernels', 'fixed R')!,
      );
      expect(found(`backward, ${layer}`, 'bytes of plain', 'adaptive R')).toBeGreaterThan(1);
      expect(found(`inference, ${layer}`, 'kernels', 'adaptive R')).toBeUndefined();
    }
  });
});

describe('the bench’s counts', () => {
  it('are none where webgpu was not asked for', async () => {
    const onMissing = vi.fn();
    expect(await collect(traffic({ backends: ['wasm'], onMissing }))).toEqual([]);
    expect(onMissing).not.toHaveBeenCalled();
  });

  it('are missing with the reason where there is no WebGPU', async ({ skip }) => {
    if (testBackend === 'webgpu') skip('there is one here');
    const onMissing = vi.fn();
    const figures = await collect(traffic({ onMissing }, true));
    if (figures.length > 0) skip('there is a GPU here');
    expect(onMissing.mock.calls).toEqual([['traffic', expect.stringMatching(/\.$/)]]);
  });
});
