import type { ExperimentData, ExperimentName } from './experiment.js';

/** How far a part of the authors' setting is known. */
export type Source =
  /** Printed in the paper. */
  | 'paper'
  /** In the authors' code for this network. */
  | 'code'
  /** In the authors' code for another of their networks. */
  | 'code of another network'
  /** In another paper by the same group. */
  | 'related paper'
  /** Nowhere: what fits best. */
  | 'assumed';

type Fields = Readonly<Record<string, unknown>>;

/** Fields of a config, and where they were read. */
export interface KnownPart {
  readonly source: Source;
  readonly fields: Fields;
}

/** What the authors train an experiment with, as far as anybody knows, in the fields of a config. */
export interface AuthorsSetting {
  readonly data: ExperimentData['kind'];
  /** Later ones win. What none of them has is a config's default. The subject of a run is not here: `PlannedRun.subject`. */
  readonly parts: readonly KnownPart[];
  /** Of decoupled networks alone. */
  readonly decoupled: readonly KnownPart[];
  /** Fields of which nothing is known, with all that is in them. */
  readonly unknown: readonly string[];
}

/** Reference, section 2: the authors' CIFAR code, of ResNet-32. */
const cifarTraining: Fields = {
  optimizer: {
    ...{ type: 'adam', learningRate: 0.001, beta1: 0.9, beta2: 0.999 },
    ...{ epsilon: 1e-8, epsilonOn: 'raw' },
  },
  schedule: { type: 'step', at: [20_000, 30_000, 37_500], factor: 0.1, warmupSteps: 0 },
  steps: 42_500,
  batch: 128,
  normalization: { mean: 127.5, scale: 128 },
  augmentation: { mirrorPad: 4, flip: true },
  weightDecay: 5e-4,
  labelSmoothing: 0.01,
  loss: { epsilon: 1e-4 },
  averageDecay: 0.999,
};
const orthogonality: KnownPart = { source: 'code', fields: { orthogonality: 1e-5 } };
const projection: KnownPart = { source: 'code', fields: { projection: { every: 100 } } };

/**
 * CNN-9 of the tables, whose own training nobody tells: widths of the MHE paper, training of ResNet-32. The MHE paper's own
 * differs in the optimiser alone, SGD: the experiments say so (`unknownOptimizer`).
 */
const cnn9: Pick<AuthorsSetting, 'parts' | 'decoupled'> = {
  parts: [
    { source: 'code of another network', fields: cifarTraining },
    {
      source: 'related paper',
      fields: { layers: { preset: 'cnn-9', widths: [64, 128, 256], features: 256 } },
    },
  ],
  decoupled: [orthogonality, projection],
};

/** The authors' setting of an experiment; undefined where nothing is trained. */
export function authorsSetting(name: ExperimentName): AuthorsSetting | undefined {
  switch (name) {
    case 'table1':
      return {
        data: 'cifar100',
        parts: [
          { source: 'code', fields: cifarTraining },
          {
            source: 'assumed',
            fields: { layers: { preset: 'resnet-32', widths: [96, 192, 384], units: [5, 5, 5] } },
          },
        ],
        // Projection is a row of its own.
        decoupled: [orthogonality],
        unknown: [],
      };
    case 'table2':
    case 'table3':
      return { data: 'cifar100', ...cnn9, unknown: [] };
    case 'table7':
    case 'table8':
      return {
        data: 'cifar10',
        ...cnn9,
        unknown: ['adversarial.epsilon', 'adversarial.norm', 'adversarial.share'],
      };
    case 'figure1':
      return {
        data: 'mnist',
        parts: [{ source: 'assumed', fields: { layers: { preset: 'mnist-2d' } } }],
        decoupled: [projection],
        unknown: [
          ...['layers.widths', 'layers.batchNorm', 'layers.activation', 'optimizer', 'schedule', 'steps'],
          ...['epochs', 'batch', 'normalization', 'augmentation', 'weightDecay', 'labelSmoothing', 'loss'],
          'averageDecay',
        ],
      };
    case 'figure3':
      return undefined;
  }
}
