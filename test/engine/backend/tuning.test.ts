import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Tuner } from '../../../src/engine/backend/tuning.js';

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
  const choose = (from: Tuner, key = 'forward'): { readonly chosen: Variant; readonly timed: Variant[] } => {
    const timed: Variant[] = [];
    const chosen = from.choose<Variant>(key, [...candidates], (variant) => {
      timed.push(variant);
      return times[variant];
    });
    return { chosen, timed };
  };

  test('the fastest is taken, timed once for each key', () => {
    const one = tuner();
    expect(choose(one)).toEqual({ chosen: 'fast', timed: [...candidates] });
    expect(choose(one)).toEqual({ chosen: 'fast', timed: [] });
    expect(choose(one, 'back').timed).toEqual([...candidates]);
  });

  test('the next process knows it, another adapter does not, and neither forgets the other', () => {
    choose(tuner());
    expect(choose(tuner()).timed).toEqual([]);
    expect(choose(tuner('b')).timed).toEqual([...candidates]);
    expect(choose(tuner()).timed).toEqual([]);
    expect(warnings).toEqual([]);
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
    choose(limited, 'back');
    limited.limit(-1);
    expect(choose(limited)).toEqual({ chosen: 'slow', timed: [] });
    expect(choose(limited, 'back')).toEqual({ chosen: 'fast', timed: [] });
    limited.limit(Number.POSITIVE_INFINITY);
    expect(choose(limited)).toEqual({ chosen: 'fast', timed: [...candidates] });
  });

  test('on a simulated GPU the first is taken and nothing is timed or kept', () => {
    expect(choose(tuner('a', false))).toEqual({ chosen: 'slow', timed: [] });
    expect(() => readFileSync(file)).toThrow('ENOENT');
  });
});
