import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { robustnessReportSchema } from '../../src/protocol/robustness.js';
import { mediaDirectory, TinyProject } from '../engine/training/support.js';
import { dcnet } from './command.js';

describe('dcnet robustness', () => {
  let [checkpoint, other] = ['', ''];
  beforeAll(async () => {
    const project = await TinyProject.create();
    const trained = async (name: string, changes: object): Promise<string> => {
      const { runDirectory, summary } = await project.train(changes, { name });
      return path.join(runDirectory, summary.checkpoint!);
    };
    checkpoint = await trained('a', { adversarial: { attack: 'fgsm', epsilon: 4 } });
    other = await trained('b', { seed: 2 });
  });
  const common = ['--backend', 'wasm', '--media', mediaDirectory, '--steps', '2', '--images', '8'];

  it('tells accuracies and checks, and writes a page that needs no other', async () => {
    const file = path.join(path.dirname(checkpoint), 'r.html');
    const flags = ['--source', other, '--epsilons', '8,0,8', '--output', file, '--json'];
    const { exitCode, stdout, stderr } = await dcnet('robustness', checkpoint, ...common, ...flags);
    expect(exitCode).toBe(0);
    const { measurement, checks } = robustnessReportSchema.parse(JSON.parse(stdout));
    expect(measurement).toMatchObject({
      run: 'a',
      epsilons: [0, 8],
      sampleSize: 8,
      steps: 2,
      adversarial: 'FGSM on 50 % of each batch, ℓ∞ ≤ 4',
      source: { run: 'b' },
    });
    expect(measurement.curves).toHaveLength(6);
    expect(checks).toHaveLength(8);
    expect(measurement).not.toHaveProperty('stepSize');
    expect(stderr).toContain('Attacks: 2 steps, 1 start, seed 1\n');
    expect(stderr).toMatch(/PGD, transfer +\d+\.\d % +\d+\.\d %\n/);
    const page = await readFile(file, 'utf8');
    expect(page).toContain(`default-src 'none'`);
    expect(page).toContain(measurement.checkpointSha256);
  });

  it('claims nothing from FGSM alone', async () => {
    const flags = ['--attacks', 'fgsm', '--norm', 'l2', '--epsilons', '50'];
    const { exitCode, stdout } = await dcnet('robustness', checkpoint, ...common, ...flags);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('ℓ2 ≤ ε');
    expect(stdout).toContain('✗ Warning, this does not hold: An iterative attack');
    expect(stdout).toContain('FGSM alone is no evidence of robustness');
    expect(stdout).toContain('– Not checked: With room for any image');
  });

  it('takes steps of the size that it is told', async () => {
    const flags = ['--attacks', 'bim', '--epsilons', '8', '--restarts', '3', '--json'];
    const stepped = async (size: string) => {
      const { stdout, stderr } = await dcnet(
        'robustness',
        checkpoint,
        ...common,
        ...flags,
        '--step-size',
        size,
      );
      const { measurement } = robustnessReportSchema.parse(JSON.parse(stdout));
      expect(measurement.stepSize).toBe(Number(size));
      expect(stderr).toContain(`Attacks: 2 steps of ${size}, 3 starts`);
      const [before, , after] = measurement.curves[0]!.objectives[0]!;
      return after! - before!;
    };
    const [small, large] = [await stepped('0.01'), await stepped('4')];
    expect(small).toBeGreaterThan(0);
    expect(large).toBeGreaterThan(50 * small); // 400 times as far, on a surface that bends
  });

  it.each([
    [['--targeted'], 'the class with the least score', 8],
    [['--targeted', 'next'], 'the class after the image’s own', 8],
    // Labels of the tiny data are 0, 1, 2, 3, 0, …
    [['--targeted', '1'], 'class 1, 1; 2 images of this class left out', 6],
  ])('goes towards a class by %j, and says so', async (flags, goal, images) => {
    const { exitCode, stdout } = await dcnet(
      'robustness',
      checkpoint,
      ...common,
      '--epsilons',
      '8',
      ...flags,
    );
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`Goal of the attacks: ${goal}\n`);
    expect(stdout).toContain(`n = ${images},`);
    expect(stdout).toMatch(/PGD, white-box .*\n +taken for the target +\d+\.\d %\n/);
  });

  it('refuses a class that is none', async () => {
    const { exitCode, stderr } = await dcnet('robustness', checkpoint, ...common, '--targeted', 'horse');
    expect(exitCode).toBe(2);
    expect(stderr).toContain('There is no class horse');
    expect(stderr).toContain('0, 1, 2, 3');
  });

  it('says where the checkpoint goes where it would be the class', async () => {
    const { exitCode, stderr } = await dcnet('robustness', '--targeted', checkpoint);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('put the checkpoint before --targeted');
  });

  it.each([
    [['--attacks', 'fgsm,cw'], 'no attack cw'],
    [['--epsilons', '1,-2'], 'not below 0'],
    [['--epsilons', '1,,2'], 'They must be numbers'],
    [['--step-size', '0'], 'It must be above 0'],
    [['--norm', 'l1'], 'Allowed choices are linf, l2'],
  ])('refuses %j', async (flags, words) => {
    const { exitCode, stderr } = await dcnet('robustness', checkpoint, ...common, ...flags);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(words);
  });
});
