import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { Counts } from '../../../src/engine/inspection/counts.js';
import { countPairs, finestNormBins } from '../../../src/engine/inspection/pairCounts.js';
import { Responses } from '../../../src/engine/inspection/responses.js';
import { testBackends } from '../backends.js';
import { randomValues, tensorOf } from '../tensors.js';

const total = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);

describe.each(testBackends)('counting pairs on %s', (backend) => {
  beforeAll(() => startBackend(backend));

  it.each([1, 3, 4, 5, 17])('of %i filters is what a plain loop counts', (filters) => {
    const [images, patches] = [4, 150];
    const norms = randomValues(filters, images * patches, 0, 8);
    const dots = randomValues(filters + 1, norms.length * filters, -8, 8);
    const factors = Float32Array.from(randomValues(7, filters, 0.5, 1.5));
    const radii = Float32Array.from(randomValues(8, filters, 2, 6)).sort();
    const counting = { floor: 1, origin: 0.5, scale: 64, factors, radii };
    const counted = countPairs(
      tensorOf(dots, [images, 10, 15, filters]),
      tensorOf(norms, [images, 10, 15, 1]),
      [3, 1],
      counting,
    );

    const strong: number[] = [];
    const complements = factors.map(() => 0);
    const all: { norm: number; angle: number }[] = [];
    let weak = 0;
    for (const image of [1, 3])
      for (let p = image * patches; p < (image + 1) * patches; p++) {
        const norm = norms[p]!;
        if (norm < 1) {
          weak++;
          continue;
        }
        strong.push(norm);
        factors.forEach((factor, f) => {
          const cosine = Math.max(-1, Math.min(1, (dots[p * filters + f]! * factor) / norm));
          const angle = (Math.acos(cosine) * 180) / Math.PI;
          complements[f]! += 90 - angle;
          all.push({ norm, angle });
        });
      }
    expect([counted.strong, counted.weak]).toEqual([strong.length, weak]);
    expect(counted.normSum).toBeCloseTo(total(strong), 6);
    expect(counted.normSquares).toBeCloseTo(total(strong.map((n) => n * n)), 5);
    expect([counted.leastNorm, counted.greatestNorm]).toEqual([Math.min(...strong), Math.max(...strong)]);
    for (const [f, sum] of complements.entries()) expect(counted.complements[f]).toBeCloseTo(sum, 1);
    expect(counted.complementSquares / all.length).toBeCloseTo(
      total(all.map(({ angle }) => (90 - angle) ** 2)) / all.length,
      1,
    );
    expect(90 - counted.leastComplement).toBeCloseTo(Math.max(...all.map(({ angle }) => angle)), 3);
    expect(90 - counted.greatestComplement).toBeCloseTo(Math.min(...all.map(({ angle }) => angle)), 3);
    expect(counted.beyond).toBe(total(strong.map((norm) => radii.filter((radius) => radius < norm).length)));

    const bins = new Array<number>(finestNormBins).fill(0);
    for (const norm of strong) bins[Math.floor((norm - 0.5) * 64)]!++;
    expect([...counted.norms]).toEqual(bins);
    const cells = new Array<number>(counted.joint.length).fill(0);
    for (const { norm, angle } of all)
      cells[Math.floor((norm - 0.5) * 16) * 180 + Math.min(179, Math.floor(angle))]!++;
    // Some of the random cosines are cut to ±1 and fall exactly on an edge; others come within rounding of one.
    const misplaced = total(cells.map((count, i) => Math.abs(count - counted.joint[i]!))) / 2;
    expect(misplaced).toBeLessThanOrEqual(all.length * 1e-3);
    expect(total(counted.joint)).toBe(all.length);
  });

  it('sums responses, and counts the silent ones', () => {
    const values = randomValues(3, 600 * 5, -1, 1).map((value) => (value < 0.2 ? 0 : value));
    const relu = new Responses(5, true);
    for (const part of [values.slice(0, 1500), values.slice(1500)])
      tf.tidy(() => relu.add(tensorOf(part, [3, 10, 10, 5])));
    for (let f = 0; f < 5; f++) {
      const own = Array.from({ length: 600 }, (_, p) => values[p * 5 + f]!);
      expect(relu.means()[f]).toBeCloseTo(total(own) / 600, 6);
      expect(relu.silentShares()[f]).toBe(own.filter((value) => value === 0).length / 600);
    }
    const free = new Responses(1, false);
    tf.tidy(() => free.add(tf.tensor2d([[1], [-2], [0.0009], [-0.0009], [3]])));
    expect(free.silent).toBeCloseTo(6.0018 / 5 / 1000, 8);
    expect(free.silentShares()).toEqual([0.4]);
  });
});

describe('bins that range themselves', () => {
  it('count exactly, whatever comes after the first batch', async () => {
    await startBackend('cpu');
    const counts = new Counts(1, 2);
    const batches = [randomValues(1, 300, 5, 6), randomValues(2, 300, 4, 41), randomValues(3, 300, 0.1, 7)];
    for (const [i, norms] of batches.entries()) {
      counts.fit(Math.min(...norms), Math.max(...norms));
      const counting = {
        floor: 0.01,
        ...counts.bins,
        factors: new Float32Array([1]),
        radii: new Float32Array(),
      };
      const halves = tensorOf(
        norms.map((norm) => norm / 2),
        [300, 1],
      );
      counts.add(countPairs(halves, tensorOf(norms, [300]), [...norms.keys()], counting), i % 2);
    }
    const { normEdges, norms, jointNormEdges, joint, groupNormEdges, groups, angles } = counts.fitted();
    const inside = (values: readonly number[], edges: readonly number[]): number[] =>
      edges.slice(1).map((to, i) => values.filter((value) => value >= edges[i]! && value < to).length);
    const all = batches.flatMap((batch) => [...batch]);
    expect(norms).toEqual(inside(all, normEdges));
    const rows = jointNormEdges.slice(1).map((_, row) => total(joint.slice(row * 60, (row + 1) * 60)));
    expect(rows).toEqual(inside(all, jointNormEdges));
    expect(angles[30]! + angles[29]!).toBe(900); // cos θ = ½ everywhere
    for (const [group, { norms: own, joint: ownJoint }] of groups.entries()) {
      const values = batches.filter((_, i) => i % 2 === group).flatMap((batch) => [...batch]);
      expect(Array.from(own)).toEqual(inside(values, normEdges));
      const ownRows = groupNormEdges
        .slice(1)
        .map((_, row) => total(Array.from(ownJoint).slice(row * 30, (row + 1) * 30)));
      expect(ownRows).toEqual(inside(values, groupNormEdges));
    }
    expect(normEdges.length).toBeGreaterThan(33);
    expect(jointNormEdges.length).toBeLessThanOrEqual(65);
  });
});
