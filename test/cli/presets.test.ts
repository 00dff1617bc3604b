import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { WeightComparison } from '../../src/core/comparison/comparison.js';
import type { NetworkSummary } from '../../src/core/config/summary.js';
import type { Inspection } from '../../src/core/statistics/inspection.js';
import { mediaDirectory, TinyProject } from '../engine/training/support.js';
import { dcnet } from './command.js';

const preset = { preset: 'resnet-32', widths: [3, 4, 5], units: [1, 1, 1], activation: 'prelu' };

async function answerOf<Answer>(...args: readonly string[]): Promise<Answer> {
  const { stdout, stderr, exitCode } = await dcnet(...args, '--json', '--media', mediaDirectory);
  expect([exitCode, stderr.match(/error: .*/)?.[0]]).toEqual([0, undefined]);
  return JSON.parse(stdout) as Answer;
}

describe('a residual network from a preset', () => {
  it('that stops and goes on gives the checkpoint of one that did not', async () => {
    const project = await TinyProject.create();
    const whole = await project.train({ layers: preset, epochs: 2 }, { name: 'whole' });
    const parts = await project.train(
      { layers: preset, epochs: 2 },
      {
        name: 'parts',
        onChange: ({ status, step }, queue, run) => {
          if (status === 'running' && step > 0) void queue.stop(run);
        },
      },
    );
    expect(parts.summary.status).toBe('stopped');
    const resumed = await project.resume(parts.runDirectory);
    expect(resumed.status).toBe('completed');
    const weights = async (run: string, file: string | undefined): Promise<Buffer> =>
      readFile(path.resolve(run, file!));
    expect(await weights(parts.runDirectory, resumed.checkpoint)).toEqual(
      await weights(whole.runDirectory, whole.summary.checkpoint),
    );
  });

  it('is trained, ejected, trained to the same weights, compared and inspected', async () => {
    const project = await TinyProject.create();
    const config = await project.writeConfig({ layers: preset, epochs: 2 });
    type Summary = { readonly checkpoint: string; readonly testAccuracy: number };
    const wasm = ['--backend', 'wasm'];
    const first = await answerOf<Summary>('train', config, '--name', 'first', ...wasm);

    const sizes = await answerOf<NetworkSummary>('summary', config);
    expect(sizes.layers.find(({ name }) => name === 'unit2-1')).toMatchObject({
      weights: 12,
      batchNorm: 8,
      slopes: 4,
    });
    expect(await answerOf('eject', config)).toMatchObject({ preset: 'resnet-32', classes: 4 });
    expect(await readFile(config, 'utf8')).toContain('"from":');
    expect(await answerOf('summary', config)).toEqual(sizes);

    const second = await answerOf<Summary>('train', config, '--name', 'second', ...wasm);
    const compared = await answerOf<{ weights: WeightComparison }>(
      'compare',
      first.checkpoint,
      second.checkpoint,
      ...wasm,
    );
    expect(compared.weights.config).toEqual([]);
    for (const { movement } of compared.weights.layers) expect(movement).toBe(0);

    const { layers, accuracy } = await answerOf<Inspection>('inspect', second.checkpoint, ...wasm);
    expect(layers.map(({ name }) => name)).toEqual([
      'stem',
      ...[1, 2, 3].flatMap((stage) => [`unit${stage}-1a`, `unit${stage}-1b`]),
      'scores',
    ]);
    expect(accuracy).toBe(second.testAccuracy);
  });
});
