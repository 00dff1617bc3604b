import { describe, expect, it } from 'vitest';
import { hypersphericalEnergy, nearestAngles } from '../../src/core/statistics/filterAngles.js';
import { linearEdges } from '../../src/core/statistics/histogram.js';
import { outputDistribution, outputRange, varianceShares } from '../../src/core/statistics/outputs.js';
import { groupsOf } from '../../src/core/statistics/splits.js';

const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/** Two norms by two angles, in cells so small that their middles are the values. */
function fourCells(counts: readonly [number, number, number, number]) {
  return { normEdges: [1, 3, 5], angleEdges: [0, 60, 120], counts: [...counts] };
}

describe('variance shares', () => {
  it('of a sum without interplay add up to 1', () => {
    // y = ‖x‖ + θ/60 at ‖x‖ = 2, 4 and θ = 30, 90: Var = 1 + 0.25.
    const shares = varianceShares(fourCells([5, 5, 5, 5]), (norm, degrees) => norm + degrees / 60)!;
    expect(shares.norm).toBeCloseTo(1 / 1.25, 12);
    expect(shares.angle).toBeCloseTo(0.25 / 1.25, 12);
    expect(shares.rest).toBeCloseTo(0, 12);
  });

  it('of a product leave its interplay', () => {
    // y = ‖x‖·s with s = ±1: means by norm are 0, by angle ±3; y² is 4 or 16, so Var = 10.
    const shares = varianceShares(fourCells([1, 1, 1, 1]), (norm, degrees) => (degrees < 60 ? norm : -norm))!;
    expect(shares.norm).toBeCloseTo(0, 12);
    expect(shares.angle).toBeCloseTo(9 / 10, 12);
    expect(shares.rest).toBeCloseTo(1 / 10, 12);
  });

  it('of factors that always go together count the same variance twice', () => {
    const shares = varianceShares(fourCells([7, 0, 0, 7]), (norm) => norm)!;
    expect(shares).toEqual({ norm: expect.closeTo(1), angle: expect.closeTo(1), rest: expect.closeTo(-1) });
  });

  it('of a constant do not exist', () => {
    expect(varianceShares(fourCells([1, 2, 3, 4]), () => 7)).toBeUndefined();
    expect(varianceShares(fourCells([0, 0, 0, 0]), (norm) => norm)).toBeUndefined();
  });
});

describe('the output’s distribution', () => {
  it('is that of many single pairs', () => {
    const joint = {
      normEdges: linearEdges(0, 4, 40),
      angleEdges: linearEdges(0, 180, 60),
      counts: Array.from({ length: 2400 }, (_, i) => (Math.floor(i / 60) < 20 ? 16 : 0)),
    };
    const output = (norm: number, degrees: number): number =>
      Math.tanh(norm / 1.5) * Math.cos(radians(degrees));
    const { edges, counts } = outputDistribution(joint, output, [-1, 1], 20);
    expect(counts.reduce((a, b) => a + b)).toBeCloseTo(16 * 1200, 6);
    // Norm even in 0 to 2, angle even in 0 to 180: shares from a fine grid of pairs.
    const shares = new Array<number>(20).fill(0);
    const steps = 2000;
    for (let a = 0; a < steps; a++)
      for (let b = 0; b < 200; b++) {
        const y = output((2 * (a + 0.5)) / steps, (180 * (b + 0.5)) / 200);
        shares[Math.floor((y + 1) * 10)]! += 1 / steps / 200;
      }
    for (let i = 0; i < 20; i++) expect(counts[i]! / (16 * 1200)).toBeCloseTo(shares[i]!, 2);
    expect(edges[10]).toBe(0);
    expect(outputRange(joint, output)).toEqual([
      expect.closeTo(-Math.tanh(2 / 1.5), 10),
      expect.closeTo(Math.tanh(2 / 1.5), 10),
    ]);
  });
});

describe('filters on their sphere', () => {
  const matrix = (degrees: readonly (readonly number[])[]): number[] =>
    degrees.flat().map((angle) => Math.cos(radians(angle)));

  it('at right angles have the energy 0.5', () => {
    const angles = [
      [0, 90, 90],
      [90, 0, 90],
      [90, 90, 0],
    ];
    expect(hypersphericalEnergy(matrix(angles), 3)).toBeCloseTo(0.5, 12);
    expect(nearestAngles(matrix(angles), 3).map((angle) => Math.round(angle))).toEqual([90, 90, 90]);
  });

  it('that crowd have more, and a finite one where they are equal', () => {
    const angles = [
      [0, 60, 180],
      [60, 0, 120],
      [180, 120, 0],
    ];
    // Chords 1, 2 and √3: (1 + 1/4 + 1/3)/3.
    expect(hypersphericalEnergy(matrix(angles), 3)).toBeCloseTo(19 / 36, 12);
    expect(nearestAngles(matrix(angles), 3)).toEqual([60, 60, 120].map((angle) => expect.closeTo(angle, 9)));
    expect(hypersphericalEnergy([1, 1, 1, 1], 2)).toBe(1e6);
    expect(hypersphericalEnergy([1], 1)).toBeUndefined();
    expect(nearestAngles([1], 1)).toEqual([]);
  });
});

describe('groups of images', () => {
  it('are those of a class, of an outcome, or both', () => {
    expect(groupsOf({}, 2)).toEqual([0, 1, 2, 3]);
    expect(groupsOf({ label: 1 }, 3)).toEqual([2, 3]);
    expect(groupsOf({ outcome: 'right' }, 3)).toEqual([1, 3, 5]);
    expect(groupsOf({ label: 2, outcome: 'wrong' }, 3)).toEqual([4]);
  });
});
