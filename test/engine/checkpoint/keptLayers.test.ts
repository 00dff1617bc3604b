import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunState } from '../../../src/core/run/run.js';
import { openCheckpoint } from '../../../src/engine/checkpoint/openCheckpoint.js';
import type { RunQueue } from '../../../src/engine/training/runQueue.js';
import { randomValues, sizeOf, tensorOf } from '../tensors.js';
import { TinyProject } from '../training/support.js';
import { withHeader } from './header.js';

/** CNN-9 without batch normalisation and ReLU: nothing in its weights tells that its dense layer once had one. */
const plain = {
  operator: 'inner-product',
  layers: { preset: 'cnn-9', widths: [2, 2, 2], features: 16, batchNorm: false, activation: 'none' },
};

type Header = Parameters<Parameters<typeof withHeader>[1]>[0];

/** As it was written when the preset's dense layer had a ReLU. */
function rectified(header: Header): void {
  const { __metadata__: metadata } = header;
  const network = JSON.parse(metadata!.network as string) as { layers: { activation?: string }[] };
  network.layers.at(-2)!.activation = 'relu';
  metadata!.network = JSON.stringify(network);
}

let project: TinyProject;
beforeAll(async () => {
  project = await TinyProject.create();
});

describe('a checkpoint of a preset that has changed since', () => {
  it('computes what it did when it was made', async () => {
    const { runDirectory, summary } = await project.train(plain, { name: 'whole' });
    const file = path.join(runDirectory, summary.checkpoint!);
    const x = tensorOf<tf.Rank.R4>(randomValues(1, 20 * sizeOf([8, 8, 1])), [20, 8, 8, 1]);
    const now = await openCheckpoint(file);
    let features: number[][] = [];
    const bare = now.model.walk(x, ({ name }, input) => {
      if (name === 'scores') features = input.arraySync() as number[][];
    });
    const kernel = now.model.tensors.get('scores/kernel')!.arraySync() as number[][];
    now.model.dispose();
    const expected = features.map((row) =>
      kernel[0]!.map((_, unit) =>
        row.reduce((sum, value, i) => sum + Math.max(0, value) * kernel[i]![unit]!, 0),
      ),
    );

    await writeFile(file, withHeader(await readFile(file), rectified));
    const then = await openCheckpoint(file);
    const scores = then.model.predict(x).arraySync() as number[][];
    then.model.dispose();
    for (const [i, row] of scores.entries())
      for (const [unit, score] of row.entries()) expect(score).toBeCloseTo(expected[i]![unit]!, 4);
    const differs = (bare.arraySync() as number[][]).some((row, i) =>
      row.some((score, unit) => Math.abs(score - expected[i]![unit]!) > 0.01),
    );
    expect(differs).toBe(true);
    tf.dispose([x, bare]);
  });

  it('is gone on with as it was made', async () => {
    const stopAt = ({ step }: RunState, queue: RunQueue, run: string) => void (step >= 4 && queue.stop(run));
    const { runDirectory, summary } = await project.train(plain, { name: 'stopped', onChange: stopAt });
    expect(summary.status).toBe('stopped');
    const file = path.join(runDirectory, summary.checkpoint!);
    await writeFile(file, withHeader(await readFile(file), rectified));
    const { status, checkpoint } = await project.resume(runDirectory);
    expect(status).toBe('completed');
    const { network, model } = await openCheckpoint(path.join(runDirectory, checkpoint!));
    model.dispose();
    expect(network.layers.at(-2)).toMatchObject({ type: 'dense', activation: 'relu' });
  });

  it('is refused where nobody can tell what it was', async () => {
    const { runDirectory, summary } = await project.train(plain, { name: 'untold' });
    const file = path.join(runDirectory, summary.checkpoint!);
    await writeFile(
      file,
      withHeader(await readFile(file), (header) => delete header.__metadata__!.network),
    );
    await expect(openCheckpoint(file)).rejects.toMatchObject({
      details: { code: 'checkpoint', file, message: /preset cnn-9, .* not kept with it/ },
    });
  });
});
