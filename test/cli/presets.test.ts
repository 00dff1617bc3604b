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

describe('dcnet summary', () => {
  /** What the reference says of it, or its layers counted by hand. */
  const sizes: readonly [preset: object, input: string, classes: number, total: object][] = [
    [
      { preset: 'resnet-32' },
      '32x32x3',
      100,
      { weights: 16_721_952, radii: 6816, batchNorm: 14_784, slopes: 0, multiplyAdds: 2_475_234_816 },
    ],
    [
      { preset: 'resnet-18' },
      '224x224x3',
      1000,
      {
        weights:
          49 * 3 * 128 +
          9 * (2 * 128 ** 2 + 128 * 256 + 4 * 256 ** 2 + 256 * 512 + 6 * 512 ** 2 + 512 * 1024) +
          9 * (2 * 1024 ** 2) +
          1024 * 1000,
        radii: 3 * 128 + 5 * 256 + 7 * 512 + 3 * 1024,
        batchNorm: 2 * (3 * 128 + 5 * 256 + 7 * 512 + 3 * 1024),
        slopes: 2 * 128 + 3 * 256 + 4 * 512 + 2 * 1024,
        multiplyAdds:
          112 ** 2 * 49 * 3 * 128 +
          56 ** 2 * 9 * 2 * 128 ** 2 +
          28 ** 2 * 9 * (128 * 256 + 4 * 256 ** 2) +
          14 ** 2 * 9 * (256 * 512 + 6 * 512 ** 2) +
          7 ** 2 * 9 * (512 * 1024 + 2 * 1024 ** 2) +
          1024 * 1000,
      },
    ],
    ...[
      [64, 128, 256],
      [128, 192, 256],
    ].map((widths): (typeof sizes)[number] => {
      const [a, b, c] = widths as [number, number, number];
      const stages = [3 * a + 2 * a ** 2, a * b + 2 * b ** 2, b * c + 2 * c ** 2] as const;
      const dense = 16 * c * 256 + 256 * 100;
      return [
        { preset: 'cnn-9', widths },
        '32x32x3',
        100,
        {
          weights: 9 * (stages[0] + stages[1] + stages[2]) + dense,
          radii: 3 * (a + b + c) + 256,
          batchNorm: 2 * 3 * (a + b + c),
          slopes: 0,
          multiplyAdds: 9 * (1024 * stages[0] + 256 * stages[1] + 64 * stages[2]) + dense,
        },
      ];
    }),
    [
      { preset: 'mnist-2d' },
      '28x28x1',
      10,
      {
        weights: 9 * (32 + 32 ** 2 + 32 * 64 + 64 ** 2 + 64 * 128 + 128 ** 2 + 128 * 2) + 20,
        radii: 2 * (32 + 64 + 128) + 2,
        batchNorm: 4 * (32 + 64 + 128),
        slopes: 0,
        multiplyAdds:
          9 * (784 * (32 + 32 ** 2) + 196 * (32 * 64 + 64 ** 2) + 49 * (64 * 128 + 128 ** 2) + 256) + 20,
      },
    ],
  ];

  it.each(sizes)(
    'says the sizes of %j for images of %s and %d classes',
    async (layers, input, classes, total) => {
      const project = await TinyProject.create();
      const config = await project.writeConfig({ layers, operator: {} });
      const of = ['summary', config, '--input', input, '--classes', String(classes)];
      expect((await answerOf<NetworkSummary>(...of)).total).toMatchObject({ k: 0, ...total });
      const { stdout } = await dcnet(...of, '--media', mediaDirectory);
      const row = stdout.split('\n').find((line) => line.startsWith('total'))!;
      const { weights, radii, batchNorm, slopes, multiplyAdds } = total as Record<string, number>;
      expect(row.trim().split(/ +/).slice(1)).toEqual(
        [weights, radii, 0, batchNorm, slopes, multiplyAdds].map((value) => value!.toLocaleString('en')),
      );
    },
  );
});

describe('dcnet summary of a config that is probably not what was meant', () => {
  it('says so on stderr', async () => {
    const project = await TinyProject.create();
    const config = await project.writeConfig({ operator: { magnitude: 'sphere', rho: 2 }, layers: preset });
    const { exitCode, stderr } = await dcnet('summary', config, '--json', '--media', mediaDirectory);
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(
      /^warning: .*tiny\.dcnet\.json:1:\d+: rho has no effect in any layer: sphere has no/,
    );
  });
});

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
