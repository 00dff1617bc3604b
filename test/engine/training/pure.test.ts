import { describe, expect, it } from 'vitest';
import type { ScheduleConfig } from '../../../src/core/config/trainingSchema.js';
import { batchOf, epochOrder, stepsPerEpoch, trainingLength } from '../../../src/engine/training/batches.js';
import { isDiverged } from '../../../src/engine/training/diverged.js';
import { learningRateAt } from '../../../src/engine/training/schedule.js';

describe('batches', () => {
  it.each([
    [100, 10],
    [101, 10],
    [5000, 64],
    [7, 64],
    [1, 1],
  ])('of %i images by %i show each image once, in almost equal parts', (images, batch) => {
    const steps = stepsPerEpoch(images, batch);
    expect(steps).toBe(Math.ceil(images / batch));
    const order = epochOrder(images, 3, 0);
    const batches = Array.from({ length: steps }, (_, step) => batchOf(order, step, steps));
    const sizes = batches.map(({ length }) => length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(batch);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    expect(batches.flatMap((part) => [...part]).sort((a, b) => a - b)).toEqual(
      Array.from({ length: images }, (_, i) => i),
    );
  });

  it('depend on seed and epoch, and on nothing else', () => {
    expect(epochOrder(50, 1, 4)).toEqual(epochOrder(50, 1, 4));
    expect(epochOrder(50, 1, 4)).not.toEqual(epochOrder(50, 1, 5));
    expect(epochOrder(50, 1, 4)).not.toEqual(epochOrder(50, 2, 4));
  });
});

describe('the length of a training', () => {
  it('is its epochs, ten by itself, or its steps, of which the last epoch may hold a part', () => {
    const config = { batch: 10, epochs: undefined, steps: undefined };
    expect(trainingLength(config, 95)).toEqual({ stepsPerEpoch: 10, totalSteps: 100, epochs: 10 });
    expect(trainingLength({ ...config, epochs: 3 }, 95)).toMatchObject({ totalSteps: 30, epochs: 3 });
    expect(trainingLength({ ...config, steps: 42 }, 95)).toMatchObject({ totalSteps: 42, epochs: 5 });
    expect(trainingLength({ ...config, steps: 40 }, 95)).toMatchObject({ totalSteps: 40, epochs: 4 });
    expect(trainingLength({ ...config, steps: 3 }, 95)).toMatchObject({ totalSteps: 3, epochs: 1 });
  });
});

describe('the learning rate', () => {
  it('is constant, falls in steps, or follows a cosine after a warm-up', () => {
    expect(learningRateAt({ type: 'constant', warmupSteps: 0 }, 0.1, 77, 100)).toBe(0.1);
    const step: ScheduleConfig = { type: 'step', at: [10, 20], factor: 0.1, warmupSteps: 0 };
    expect(learningRateAt(step, 1, 9, 100)).toBe(1);
    expect(learningRateAt(step, 1, 10, 100)).toBeCloseTo(0.1, 15);
    expect(learningRateAt(step, 1, 99, 100)).toBeCloseTo(0.01, 15);
    const warm: ScheduleConfig = { ...step, warmupSteps: 4 };
    expect([0, 1, 2, 3, 4, 9].map((at) => learningRateAt(warm, 1, at, 24))).toEqual([
      0.25, 0.5, 0.75, 1, 1, 1,
    ]);
    expect(learningRateAt(warm, 1, 10, 100)).toBeCloseTo(0.1, 15);
    expect([0, 1, 2].map((at) => learningRateAt({ type: 'constant', warmupSteps: 2 }, 3, at, 9))).toEqual([
      1.5, 3, 3,
    ]);
    const cosine = { type: 'cosine', warmupSteps: 4 } as const;
    expect([0, 1, 2, 3].map((at) => learningRateAt(cosine, 1, at, 24))).toEqual([0.25, 0.5, 0.75, 1]);
    expect(learningRateAt(cosine, 1, 4, 24)).toBe(1);
    expect(learningRateAt(cosine, 1, 14, 24)).toBeCloseTo(0.5, 15);
    expect(learningRateAt(cosine, 1, 23, 24)).toBeCloseTo((1 + Math.cos((19 / 20) * Math.PI)) / 2, 15);
    expect(learningRateAt({ type: 'cosine', warmupSteps: 0 }, 1, 0, 10)).toBe(1);
    expect(learningRateAt({ type: 'cosine', warmupSteps: 50 }, 1, 9, 10)).toBeCloseTo(0.2, 15);
  });
});

describe('divergence', () => {
  it('is a loss that is not finite, or a thousand times worse than guessing', () => {
    for (const loss of [Number.NaN, Number.POSITIVE_INFINITY, 1000 * Math.log(10) + 1])
      expect(isDiverged(loss, 10)).toBe(true);
    for (const loss of [0, 2.3, 500]) expect(isDiverged(loss, 10)).toBe(false);
  });
});
