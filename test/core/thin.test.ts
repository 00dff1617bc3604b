import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MetricsRecord } from '../../src/core/run/run.js';
import { thinMetrics } from '../../src/core/run/thin.js';

const step = (at: number, loss: number): MetricsRecord => ({
  type: 'step',
  step: at,
  epoch: 0,
  loss,
  accuracy: loss / 8,
  learningRate: 0.001,
  imagesPerSecond: 100,
  seconds: at,
});
const epoch = (at: number, number: number): MetricsRecord => ({
  type: 'epoch',
  step: at,
  epoch: number,
  testLoss: 1,
  testAccuracy: 0.5,
  seconds: at,
  checkpoint: `epoch-${number}`,
  layers: [],
});

/** Loss times the steps it is a mean over: what joining must keep. */
function mass(records: readonly MetricsRecord[]): number {
  let before = 0;
  let sum = 0;
  for (const record of records) {
    if (record.type !== 'step') continue;
    sum += record.loss * (record.step - before);
    before = record.step;
  }
  return sum;
}

describe('thinMetrics', () => {
  it('leaves what is short enough alone, but for events', () => {
    const event: MetricsRecord = { type: 'event', step: 0, event: 'started', time: '2024-01-01T00:00:00Z' };
    expect(thinMetrics([event, step(1, 2), step(2, 1), epoch(2, 1)], 10)).toEqual([
      step(1, 2),
      step(2, 1),
      epoch(2, 1),
    ]);
  });

  it('joins neighbours to the mean over their steps', () => {
    const thinned = thinMetrics([step(1, 4), step(4, 8), step(6, 1), step(8, 3)], 2);
    expect(thinned).toMatchObject([
      { step: 4, loss: 7, accuracy: 7 / 8 },
      { step: 8, loss: 2 },
    ]);
  });

  it('keeps the limit, the order, the ends and the mean over all steps', () => {
    const records = fc
      .array(fc.record({ gap: fc.integer({ min: 1, max: 9 }), loss: fc.integer({ min: 0, max: 50 }) }), {
        minLength: 1,
        maxLength: 300,
      })
      .map((gaps) => {
        let at = 0;
        return gaps.flatMap(({ gap, loss }, i): MetricsRecord[] => {
          at += gap;
          return i % 7 === 6 ? [step(at, loss), epoch(at, (i + 1) / 7)] : [step(at, loss)];
        });
      });
    fc.assert(
      fc.property(records, fc.integer({ min: 2, max: 80 }), (all, limit) => {
        const thinned = thinMetrics(all, limit);
        expect(thinned.length).toBeLessThanOrEqual(limit);
        expect(thinned.map((record) => record.step)).toEqual(
          thinned.map((record) => record.step).sort((a, b) => a - b),
        );
        const lastOf = (type: string, of: readonly MetricsRecord[]) =>
          of.findLast((r) => r.type === type)?.step;
        expect(lastOf('step', thinned)).toBe(lastOf('step', all));
        if (limit >= 4) expect(lastOf('epoch', thinned)).toBe(lastOf('epoch', all));
        expect(mass(thinned)).toBeCloseTo(mass(all), 6);
      }),
    );
  });
});
