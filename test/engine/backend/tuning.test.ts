import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Tuner, tunedFor } from '../../../src/engine/backend/tuning.js';
import { nodeBundle } from '../../../src/tools/kernelThread.mjs';
import { wgslVersion } from '../../../src/tools/wgsl.mjs';

describe('the tuner of WebGPU kernels', () => {
  let folder: string;
  let file: string;
  const warnings: string[] = [];
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'dcnet-tuning-'));
    file = path.join(folder, 'below', 'kernels.json');
    warnings.length = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const tuner = (adapter = 'a', measures = true): Tuner =>
    new Tuner({ adapter, measures, file, warn: (line) => warnings.push(line) });
  const times = { slow: 3, fast: 1, middling: 2 };
  type Variant = keyof typeof times;
  const candidates = ['slow', 'fast', 'middling'] as const;
  const choose = (
    from: Tuner,
    { kernel = 'forward', patches = 1000, offered = [...candidates] as [Variant, ...Variant[]] } = {},
  ): { readonly chosen: Variant; readonly timed: Variant[] } => {
    const timed: Variant[] = [];
    const chosen = from.choose<Variant>({ kernel, patches }, offered, (variant) => {
      timed.push(variant);
      return times[variant];
    });
    return { chosen, timed };
  };

  test('the fastest is taken, timed once for each kernel', () => {
    const one = tuner();
    expect(choose(one)).toEqual({ chosen: 'fast', timed: [...candidates] });
    expect(choose(one)).toEqual({ chosen: 'fast', timed: [] });
    expect(choose(one, { kernel: 'back' }).timed).toEqual([...candidates]);
  });

  test('the next process knows it, another adapter does not, and neither forgets the other', () => {
    choose(tuner());
    expect(choose(tuner()).timed).toEqual([]);
    expect(choose(tuner('b')).timed).toEqual([...candidates]);
    expect(choose(tuner()).timed).toEqual([]);
    expect(warnings).toEqual([]);
  });

  test('what was chosen for little is timed anew for much, in the next process too', () => {
    const one = tuner();
    choose(one, { patches: 16 });
    expect(choose(one, { patches: 20 }).timed, 'about as much').toEqual([]);
    expect(choose(one, { patches: 2048 }).timed).toEqual([...candidates]);
    expect(choose(tuner(), { patches: 2048 }).timed).toEqual([]);
    expect(choose(tuner(), { patches: 5000 }).timed).toEqual([...candidates]);
  });

  test('less takes what was chosen for more, so that a last batch compiles nothing', () => {
    const one = tuner();
    choose(one, { patches: 2048, offered: ['middling'] });
    for (const patches of [1, 0]) expect(choose(one, { patches })).toEqual({ chosen: 'middling', timed: [] });
    expect(choose(tuner(), { patches: 700 })).toEqual({ chosen: 'middling', timed: [] });
    choose(one, { patches: 8192, offered: ['slow'] });
    expect(choose(one, { patches: 700 }).chosen, 'the nearest').toBe('middling');
  });

  test('a variant that is offered no more is chosen anew', () => {
    choose(tuner());
    writeFileSync(file, readFileSync(file, 'utf8').replace('fast', 'gone'));
    expect(choose(tuner())).toEqual({ chosen: 'fast', timed: [...candidates] });
  });

  test.each(['', '{ "version": 1', '{ "version": 2, "adapters": {} }'])(
    'a file of %j is told of and replaced',
    (text) => {
      choose(tuner());
      writeFileSync(file, text);
      expect(choose(tuner())).toEqual({ chosen: 'fast', timed: [...candidates] });
      expect(warnings[0]).toContain(file);
      expect(choose(tuner()).timed).toEqual([]);
    },
  );

  test('when its time is up the first or what is known is taken, and the rest is timed later', () => {
    const limited = tuner();
    choose(limited, { kernel: 'back' });
    limited.limit(-1);
    expect(choose(limited)).toEqual({ chosen: 'slow', timed: [] });
    expect(choose(limited, { kernel: 'back' })).toEqual({ chosen: 'fast', timed: [] });
    limited.limit(Number.POSITIVE_INFINITY);
    expect(choose(limited)).toEqual({ chosen: 'fast', timed: [...candidates] });
  });

  test('on a simulated GPU the first is taken and nothing is timed or kept', () => {
    expect(choose(tuner('a', false))).toEqual({ chosen: 'slow', timed: [] });
    expect(() => readFileSync(file)).toThrow('ENOENT');
  });
});

describe('what a choice is kept for', () => {
  const info = { vendor: 'v', architecture: 'a', device: 'd', description: 'driver 1' } as GPUAdapterInfo;

  test('is a GPU with its driver, Dawn and the sources of the kernels', () => {
    const here = tunedFor(info, '0.6.2');
    expect(here).toBe(`v, a, d, driver 1, Dawn 0.6.2, kernels ${wgslVersion()}`);
    const { DCNET_WGSL_VERSION } = process.env;
    process.env.DCNET_WGSL_VERSION = 'other';
    expect(tunedFor(info, '0.6.2')).not.toBe(here);
    process.env.DCNET_WGSL_VERSION = DCNET_WGSL_VERSION;
  });

  test('is the text of each of the kernels’ files', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'dcnet-wgsl-'));
    try {
      writeFileSync(path.join(folder, 'a.ts'), 'one');
      writeFileSync(path.join(folder, 'b.ts'), 'two');
      const before = wgslVersion(folder);
      expect(wgslVersion(folder)).toBe(before);
      writeFileSync(path.join(folder, 'b.ts'), 'three');
      expect(wgslVersion(folder)).not.toBe(before);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('is known to what is built', () => {
    expect(nodeBundle.define['process.env.DCNET_WGSL_VERSION']).toBe(`"${wgslVersion()}"`);
  });
});
