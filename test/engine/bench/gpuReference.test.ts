import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { type ReferenceCase, referenceCases, referenceKinds } from '../../../src/bench/gpuCases.js';
import { compareWithReference, isRight, tolerances } from '../../../src/bench/gpuReference.js';
import { angularNames, magnitudeNames } from '../../../src/core/config/operatorSchema.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { collect } from './collect.js';

describe('what a GPU is compared with the reference in', () => {
  it('has every kind, also in few, and in all every operator, windows, R and normalisation', () => {
    for (const quick of [true, false])
      expect(new Set(referenceCases(quick).map(({ kind }) => kind))).toEqual(new Set(referenceKinds));
    const all = referenceCases(false).map(({ kind, what }) => `${kind}: ${what}`);
    expect(new Set(all).size).toBe(all.length);
    const has = (...words: readonly string[]): boolean =>
      all.some((what) => words.every((word) => what.includes(word)));
    for (const magnitude of magnitudeNames)
      for (const angular of angularNames) expect(has(`pairs: ${magnitude} · ${angular},`)).toBe(true);
    for (const padding of ['same', 'valid']) expect(has(`stride 2, ${padding}`)).toBe(true);
    expect(has('adaptive: tanh', 'adaptive R')).toBe(true);
    expect(has('batch normalisation in training', 'ReLU')).toBe(true);
    for (const moment of ['corrected', 'raw']) expect(has('adam:', moment)).toBe(true);
    expect(has('dense:', '1×1×1024')).toBe(true);
    expect(has('large: tanh · cosine', '16×16×128 to 128')).toBe(true);
    const [few, many] = [true, false].map((quick) => referenceCases(quick).map(({ what }) => what));
    expect(few!.length).toBeLessThan(many!.length / 3);
  });

  it('is computed on WebAssembly as on the reference', async () => {
    const cases = referenceCases(true).filter(({ kind }) => kind !== 'large');
    const deviations = await collect(compareWithReference('wasm', cases));
    expect(deviations.map(({ what }) => what)).toEqual(cases.map(({ what }) => what));
    expect(deviations.filter((each) => !isRight(each))).toEqual([]);
    // They are two computations: nothing of it is compared with itself.
    expect(deviations.filter(({ largest }) => largest! > 0).length).toBeGreaterThan(cases.length / 2);
  }, 180_000);
});

describe('a comparison', () => {
  /** y = x·scale on the backend in use, whose gradient is that, too. */
  const scaled = (scale: () => number): ReferenceCase => ({
    ...{ kind: 'large', what: 'x·scale', hasGradients: true, hasHalf: false },
    inputs: () => ({ x: tf.tensor1d([1, -4]) }),
    layer: ({ x }) => tf.mul(x!, scale()),
  });

  it.each([
    { on: 1.0005, largest: 0.0005, right: true },
    { on: 1.002, largest: 0.002, right: false },
    { on: Number.NaN, largest: null, right: false },
  ])('of $on with 1 is off by $largest: right, $right', async ({ on, largest, right }) => {
    await startBackend('wasm');
    const [deviation] = await collect(
      compareWithReference('wasm', [scaled(() => (tf.getBackend() === 'wasm' ? on : 1))]),
    );
    expect(deviation!.tolerance).toBe(1e-3);
    if (largest === null) expect(deviation!.largest).toBeNull();
    else expect(deviation!.largest).toBeCloseTo(largest, 6);
    expect(isRight(deviation!)).toBe(right);
  });

  it('in 16 bits has those alone that have them, with a tolerance of their own', async () => {
    const half = { ...scaled(() => 1), hasHalf: true };
    await expect(collect(compareWithReference('wasm', [half], ['fp16']))).rejects.toThrow('fp32 only');
    expect(await collect(compareWithReference('wasm', [scaled(() => 1)], ['fp16']))).toEqual([]);
    expect(tolerances.fp16).toBeGreaterThan(tolerances.fp32);
  });
});
