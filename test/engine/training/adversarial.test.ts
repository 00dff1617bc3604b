import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../../src/core/config/parse.js';
import { adversarialSchema } from '../../../src/core/config/trainingSchema.js';
import type { RunState } from '../../../src/core/run/run.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { adversarialBatch } from '../../../src/engine/training/adversarialBatch.js';
import { disposeBatch, modelOf, randomBatch, type Shape } from '../attack/support.js';
import { testBackend } from '../backends.js';
import { TinyProject } from './support.js';

const shape: Shape = [6, 6, 1];
const pgd = { attack: 'pgd', epsilon: 8, steps: 2 } as const;

beforeAll(async () => {
  await startBackend(testBackend);
});

describe('an adversarial batch', () => {
  test('is its images, a share of them moved by at most ε, whatever parts it comes in', async () => {
    const model = modelOf(
      [{ type: 'conv', filters: 4 }, { type: 'global-average-pool' }, { type: 'dense', units: 4 }],
      shape,
    );
    const batch = randomBatch(9, shape, 3);
    const labels = batch.goal.kind === 'away' ? batch.goal.labels : batch.goal.targets;
    const before = batch.x.arraySync().map((image) => image.flat(2));
    const make = async (config: object, from = 0, size = 9, most = 9): Promise<number[][]> => {
      const [x, own] = [tf.slice(batch.x, from, size), tf.slice(labels, from, size)];
      const place = { step: 4, from, seed: 1 };
      const mixed = await adversarialBatch(model, x, own, adversarialSchema.parse(config), place, most);
      const values = mixed.arraySync().map((image) => image.flat(2));
      tf.dispose([x, own, mixed]);
      return values;
    };
    const { numTensors } = tf.memory();
    for (const attack of ['fgsm', 'bim', 'pgd'])
      for (const [share, wanted] of [
        [0.5, 4],
        [1, 9],
        [0.3, 2],
      ] as const) {
        const after = await make({ attack, epsilon: 8, share });
        const moves = after.map((image, i) => Math.max(...image.map((v, k) => Math.abs(v - before[i]![k]!))));
        expect(moves.filter((move) => move > 0)).toHaveLength(wanted);
        expect(Math.max(...moves)).toBe(8 / 128);
      }
    const whole = await make(pgd);
    expect(await make(pgd, 0, 9, 2)).toEqual(whole);
    expect([...(await make(pgd, 0, 5)), ...(await make(pgd, 5, 4))]).toEqual(whole);
    expect(tf.memory().numTensors).toBe(numTensors);
    disposeBatch(batch);
    model.dispose();
  });
});

describe('adversarial training', () => {
  test.each([
    ['PGD', {}],
    ['of all images, FGSM in ℓ2', { attack: 'fgsm', steps: undefined, norm: 'l2', epsilon: 100, share: 1 }],
  ])('goes on to the last bit after a stop: %s', async (_, changes) => {
    const adversarial = { ...pgd, ...changes };
    const project = await TinyProject.create();
    const states: RunState[] = [];
    const whole = await project.train(
      { adversarial },
      { name: 'whole', onChange: (state) => void states.push(state) },
    );
    expect(whole.summary.status).toBe('completed');
    const stopped = await project.train(
      { adversarial },
      { name: 'stopped', onChange: ({ step }, queue, run) => void (step > 4 && queue.stop(run)) },
    );
    expect(stopped.summary.status).toBe('stopped');
    expect((await project.resume(stopped.runDirectory)).status).toBe('completed');
    const plain = await project.train({}, { name: 'plain' });
    const [a, b, c] = await Promise.all(
      [whole, stopped, plain].map(({ runDirectory }) =>
        readFile(path.join(runDirectory, whole.summary.checkpoint!)),
      ),
    );
    expect(a!.equals(b!)).toBe(true);
    // The files' headers differ by the config: the weights are at the end.
    expect(a!.subarray(-400).equals(c!.subarray(-400))).toBe(false);
    if (Object.keys(changes).length > 0) return;
    expect(states.at(-1)!.adversarial).toBe('PGD on 50 % of each batch, ℓ∞ ≤ 8, 2 steps');
    const metrics = await readFile(path.join(whole.runDirectory, 'metrics.jsonl'), 'utf8');
    expect(metrics.split('\n')[0]).toContain('adversarial training: PGD on 50 %');
  });

  test('is refused where its options make no sense', () => {
    const problems = (adversarial: object): readonly string[] =>
      parseConfig(
        JSON.stringify({ data: { idx: '.' }, layers: [{ type: 'dense', units: 2 }], adversarial }),
      ).problems.map(({ field }) => field);
    expect(problems({ attack: 'fgsm', epsilon: 8, steps: 3 })).toContain('adversarial.steps');
    expect(problems({ attack: 'pgd', epsilon: 8, share: 0 })).toContain('adversarial.share');
    expect(problems({ attack: 'pdg', epsilon: 8 })).toContain('adversarial.attack');
    expect(problems({ attack: 'bim' })).toContain('adversarial.epsilon');
  });
});
