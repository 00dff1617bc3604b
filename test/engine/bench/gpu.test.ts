import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, test, vi } from 'vitest';
import { traffic } from '../../../src/bench/gpuTraffic.js';
import { describeOn, testBackend } from '../backends.js';
import { temporaryFolder } from '../data/tinyData.js';
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
      // The norms' mean comes first, and last its gradient.
      expect(found(`forward, ${layer}`, 'kernels', 'adaptive R')).toBe(2);
      expect(found(`backward, ${layer}`, 'kernels', 'adaptive R')).toBe(3);
      for (const [pass, most] of [
        ['forward', 1.45],
        ['backward', 1.5],
      ] as const) {
        const what = `${pass}, ${layer}`;
        const adaptive = found(what, 'bytes of plain', 'adaptive R')!;
        expect(adaptive).toBeGreaterThan(found(what, 'bytes of plain', 'fixed R')!);
        expect(adaptive).toBeLessThan(most);
      }
      expect(found(`inference, ${layer}`, 'kernels', 'adaptive R')).toBeUndefined();
    }
  });
});

describeOn('webgpu', 'the GPU bench', () => {
  /** Run it where the kernel that normalises a batch on webgpu gives `factor` times what it should. */
  const run = async (factor: number) => {
    const folder = await temporaryFolder();
    const [before, out] = ['before.cjs', 'out.json'].map((name) => path.join(folder, name)) as [
      string,
      string,
    ];
    await writeFile(
      before,
      `globalThis._tfGlobals = new Map([['kernelRegistry', new (class extends Map {
        set(name, kernel) {
          if (name !== 'webgpu_ChannelAffine') return super.set(name, kernel);
          const { kernelFunc } = kernel;
          const wrong = ({ inputs: { x, slope, shift }, ...rest }) => {
            const larger = rest.backend.makeTensorInfo(slope.shape, slope.dtype, slope.values);
            const values = Float32Array.from(rest.backend.readSync(slope.dataId), (value) => value * ${factor});
            rest.backend.tensorMap.get(larger.dataId).values = values;
            return kernelFunc({ inputs: { x, slope: larger, shift }, ...rest });
          };
          return super.set(name, { ...kernel, kernelFunc: wrong });
        }
      })()]]);`,
    );
    const args = [
      '--require',
      before,
      path.resolve('dist/benchGpu.js'),
      '--quick',
      '--checks',
      'batch-norm',
      '--out',
      out,
    ];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    return { status, stdout, result: JSON.parse(await readFile(out, 'utf8')) };
  };

  test('ends with 0 where all is right, and with 1 and the error where a kernel is wrong', async () => {
    const right = await run(1);
    expect([right.status, right.result.isRight], right.stdout).toEqual([0, true]);
    expect(right.stdout).toContain('Correctness ok: 4 comparisons');
    const wrong = await run(1.1);
    expect([wrong.status, wrong.result.isRight], wrong.stdout).toEqual([1, false]);
    expect(wrong.stdout).toMatch(/^WRONG fp32 batch normalisation at test time, .*: y off by [\d.]+e-[12] /m);
    expect(wrong.stdout).toMatch(/^ok +fp32 batch normalisation in training, /m);
    expect(wrong.stdout).toContain('Correctness FAILED: 4 comparisons');
  }, 240_000);
});

it.skipIf(process.platform !== 'linux')('the GPU bench without a device says so, and why', async () => {
  const out = path.join(await temporaryFolder(), 'out.json');
  const nowhere = { VK_DRIVER_FILES: '/nowhere.json', VK_ICD_FILENAMES: '/nowhere.json' };
  const { status, stdout } = spawnSync(process.execPath, ['dist/benchGpu.js', '--out', out], {
    encoding: 'utf8',
    env: { ...process.env, ...nowhere, XDG_DATA_HOME: path.dirname(out) },
  });
  const told = /^all of it: left out, no WebGPU device: .*\.$/m;
  expect([status, stdout]).toEqual([2, expect.stringMatching(told)]);
  const result = JSON.parse(await readFile(out, 'utf8'));
  expect(result).toMatchObject({ isRight: false, skipped: [expect.stringMatching(told)] });
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
