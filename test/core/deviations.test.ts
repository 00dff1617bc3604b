import { describe, expect, it } from 'vitest';
import { leavesOf } from '../../src/core/comparison/configChanges.js';
import { configSchema } from '../../src/core/config/schema.js';
import { authorsSetting } from '../../src/core/reproduce/authors.js';
import { deviationsOf } from '../../src/core/reproduce/deviations.js';
import { type Experiment, experimentNames, type PlannedRun } from '../../src/core/reproduce/experiment.js';
import { dataKindOf, planExperiment } from '../../src/core/reproduce/plan.js';

type Fields = Readonly<Record<string, unknown>>;

function plan(name: Experiment['name'], scale: Experiment['scale']): Experiment {
  return planExperiment(name, scale, { kind: dataKindOf(name, scale) ?? 'mnist', folder: '/data' });
}

const table3 = plan('table3', 'full');
const authors = authorsSetting('table3')!;
const run = table3.runs.find(({ id }) => id === 'tanh-cosine-relu')!;

/** A run's config with one field changed, `optimizer.beta1`. */
function changed(config: Fields, [first, ...rest]: readonly string[], value: unknown): Fields {
  const inner = rest.length === 0 ? value : changed((config[first!] ?? {}) as Fields, rest, value);
  return { ...config, [first!]: inner };
}

function linesOf(config: PlannedRun['config']): readonly string[] {
  return deviationsOf({ data: 'cifar100', runs: [{ ...run, config }] }, authors);
}

/** Each field of a config, and another value. What brings fields of its own is told by its first. */
const changes: readonly (readonly [field: string, value: unknown, told?: string])[] = [
  ['operator.magnitude', 'ball'],
  ['operator.angular', 'linear'],
  ['operator.radius', 'fixed'],
  ['operator', 'inner-product'],
  ['layers', { preset: 'mnist-2d' }, 'layers.preset'],
  ['layers.widths', [128, 192, 256]],
  ['layers.features', 128],
  ['layers.batchNorm', false],
  ['layers.activation', 'none'],
  ['normalization.mean', 0],
  ['normalization.scale', 255],
  ['optimizer', { type: 'sgd' }, 'optimizer.type'],
  ['optimizer.learningRate', 0.01],
  ['optimizer.beta1', 0.8],
  ['optimizer.beta2', 0.99],
  ['optimizer.epsilon', 1e-7],
  ['optimizer.epsilonOn', 'corrected'],
  ['schedule', { type: 'cosine' }, 'schedule.type'],
  ['schedule.at', [20_000, 30_000]],
  ['schedule.factor', 0.2],
  ['schedule.warmupSteps', 10],
  ['epochs', 3],
  ['steps', 42_501],
  ['batch', 64],
  ['augmentation.mirrorPad', 2],
  ['augmentation.flip', false],
  ['augmentation.crop', [28, 28]],
  ['loss.epsilon', 0],
  ['labelSmoothing', 0],
  ['weightDecay', 0],
  ['averageDecay', 0.99],
  ['projection.every', 10],
  ['projection.scale', 2],
  ['filterGradients', 'weighted'],
  ['orthogonality', 0],
  ['hypersphericalEnergy', 1],
  ['adversarial', { attack: 'fgsm', epsilon: 8 }, 'adversarial.attack'],
];

describe('where a run differs from the authors’ setting', () => {
  it.each(['table1', 'table2', 'table3'] as const)('%s at the full scale: nowhere', (name) => {
    expect(deviationsOf(plan(name, 'full'), authorsSetting(name)!)).toEqual([]);
  });

  it.each(changes.map((change) => [change[0], change] as const))(
    '%s is told',
    (field, [, value, told = field]) => {
      const config = changed(run.config, field.split('.'), value);
      expect(linesOf(run.config)).toEqual([]);
      expect(linesOf(config).filter((line) => line.startsWith(`${told}: `))).toHaveLength(1);
      if (told === field && field !== 'operator') expect(linesOf(config)).toHaveLength(1);
    },
  );

  it('is asked of every field that a config has', () => {
    const { data: _, seed: __, ...config } = configSchema.parse(run.config);
    const fields = [...leavesOf(config).keys()];
    expect(
      fields.filter((field) => !changes.some(([name, , told]) => name === field || told === field)),
    ).toEqual([]);
    const known = Object.keys(configSchema.shape).filter(
      (name) => !['$schema', 'data', 'seed'].includes(name),
    );
    expect(known.filter((name) => !changes.some(([field]) => field.split('.')[0] === name))).toEqual([]);
  });

  it('is told of the data', () => {
    expect(deviationsOf({ data: 'cifar10', runs: [run] }, authors)).toEqual([
      'data: CIFAR-10 here, CIFAR-100 in the paper.',
    ]);
  });

  it('has a line of its own for each field, with what is known of the authors’', () => {
    const lines = deviationsOf(plan('table3', 'small'), authors);
    for (const line of [
      'layers.widths: [8,16,32] here, [64,128,256] in the MHE paper by the same group, for the paper does not say.',
      'steps: 1000 here, 42500 in the authors’ code for CIFAR, which is of ResNet-32.',
      'augmentation.flip: none here, true in the authors’ code for CIFAR, which is of ResNet-32.',
    ])
      expect(lines).toContain(line);
    expect(plan('table3', 'small').deviations).toEqual(expect.arrayContaining([...lines]));
  });

  it('names the runs where it is not so of all, and what nobody knows', () => {
    const [plain, other] = ['plain', 'sphere-cosine'].map(
      (id) => table3.runs.find((found) => found.id === id)!,
    );
    const runs = [plain!, { ...other!, config: { ...other!.config, batch: 64 } }];
    expect(deviationsOf({ data: 'cifar100', runs }, authors)).toEqual([
      'batch: 64 here, 128 in the authors’ code for CIFAR, which is of ResNet-32 (sphere-cosine).',
    ]);
    expect(deviationsOf(plan('table7', 'full'), authorsSetting('table7')!)).toEqual([
      'Not known of the authors: adversarial.epsilon (8 here) (plain-adversarial, sphere-adversarial, ball-adversarial, tanh-adversarial).',
    ]);
  });

  it('is said of CNN-9 by every table of it: the paper gives neither widths nor optimiser, and related code has SGD', () => {
    for (const name of ['table2', 'table3', 'table7', 'table8'] as const) {
      const { deviations } = plan(name, 'full');
      expect(deviations).toContainEqual(expect.stringMatching(/widths of CNN-9; 64-128-256 .* MHE paper/));
      for (const scale of ['small', 'full'] as const)
        expect(plan(name, scale).deviations).toContainEqual(
          expect.stringMatching(/Adam .* \(ResNet-32\)\. The MHE paper .* SGD \(0\.1, momentum 0\.9\)/),
        );
    }
  });

  it('is asked of whatever is trained', () => {
    for (const name of experimentNames)
      expect(authorsSetting(name) === undefined).toBe(plan(name, 'small').runs.length === 0);
  });
});
