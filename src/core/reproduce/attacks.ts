import type { MagnitudeName } from '../config/operatorSchema.js';
import type { Cell, Claim, Experiment, ExperimentData, PlannedRun, Scale } from './experiment.js';
import {
  cnn9,
  dataField,
  operatorFields,
  operatorOf,
  orderAlone,
  styleFields,
  tableTraining,
  unknownOptimizer,
  unknownWidths,
} from './settings.js';
import { rowName } from './tables.js';

const networks: readonly (MagnitudeName | 'inner-product')[] = ['inner-product', 'sphere', 'ball', 'tanh'];
/** Each column's attack, and its place in the paper's rows. */
const measured = [
  { column: 'clean', attack: undefined, printedAt: 0 },
  { column: 'clean, attacked images', attack: 'none', printedAt: undefined },
  { column: 'FGSM', attack: 'fgsm', printedAt: 1 },
  { column: 'BIM', attack: 'bim', printedAt: 2 },
] as const;

/** Rows of tables 7 (white box) and 8 (black box): clean, FGSM, BIM of each network, CIFAR-10 accuracy in percent. */
const printed = {
  table7: {
    normal: [
      [85.35, 18.82, 8.67],
      [88.58, 43.64, 8.89],
      [91.13, 50.47, 7.74],
      [91.45, 52.6, 10.18],
    ],
    adversarial: [
      [83.7, 78.96, 7.96],
      [87.41, 85.98, 35.07],
      [87.47, 82.2, 17.38],
      [87.54, 81.46, 19.86],
    ],
  },
  table8: {
    normal: [
      [85.35, 50.9, 36.22],
      [88.58, 56.71, 43.1],
      [91.13, 49.5, 27.48],
      [91.45, 50.61, 29.06],
    ],
    adversarial: [
      [83.7, 77.57, 78.55],
      [87.41, 76.29, 77.79],
      [87.47, 78.67, 80.59],
      [87.54, 80.38, 82.47],
    ],
  },
} as const;

/** ε in pixel values of 0 to 255. The paper does not give its own; 8 is the customary one for CIFAR-10. */
export const attackEpsilon = 8;
/** What the networks are attacked with, so that accuracy can be seen to fall with ε; the tables have the middle one. */
export const attackEpsilons: readonly number[] = [attackEpsilon / 2, attackEpsilon, 2 * attackEpsilon];
/** Steps of BIM, each of 1.25 ε/steps (`defaultStepSize`). */
export const bimSteps = 10;
/** Test images that are attacked, from the first: all of CIFAR-10's, or as many as two cores have time for. */
export function attackedImages(scale: Scale): number {
  return scale === 'full' ? 10_000 : 500;
}
/** Run whose gradients make the black box's images: a plain network of its own, which no row shows. */
const source = 'source';
/** No grid has so many seeds: the source is never one of the networks that it attacks. */
const sourceSeedShift = 1000;

/** Tables 7 and 8: the accuracy that an attack leaves, white box or by transfer from another network, CIFAR-10. */
export function attackTable(
  name: 'table7' | 'table8',
  scale: Scale,
  data: ExperimentData,
  steps?: number,
): Experiment {
  const training = tableTraining(scale, steps);
  const images = attackedImages(scale);
  const blackBox = name === 'table8';
  const style = { batchNorm: true, relu: true };
  const run = (id: string, magnitude: MagnitudeName | 'inner-product', adversarial: boolean): PlannedRun => {
    const trained = adversarial ? { adversarial: { attack: 'fgsm', epsilon: attackEpsilon } } : {};
    return {
      id,
      config: {
        data: dataField(data),
        layers: cnn9(scale, style),
        ...training.fields,
        ...operatorFields(magnitude, 'cosine'),
        ...trained,
      },
      subject: { operator: operatorOf(magnitude, 'cosine'), layers: styleFields(style), ...trained },
    };
  };
  const kinds = [
    { kind: 'normal', words: '', adversarial: false },
    { kind: 'adversarial', words: ', adversarially trained', adversarial: true },
  ] as const;
  const made = kinds.flatMap(({ kind, words, adversarial }) =>
    networks.map((magnitude, i) => {
      const id = `${magnitude === 'inner-product' ? 'plain' : magnitude}${adversarial ? '-adversarial' : ''}`;
      const row = `${rowName(magnitude)}${words}`;
      const cells = measured.map(
        ({ column, attack, printedAt }): Cell => ({
          row,
          column,
          paper: printedAt === undefined ? undefined : printed[name][kind][i]![printedAt],
          run: id,
          measure:
            attack === undefined
              ? { kind: 'test-accuracy' }
              : { kind: 'attacked-accuracy', attack, ...(blackBox ? { source } : {}) },
        }),
      );
      return { row, run: run(id, magnitude, adversarial), cells };
    }),
  );
  return {
    name,
    title: blackBox
      ? 'Table 8: black-box attacks, by transfer from a plain network'
      : 'Table 7: white-box attacks',
    scale,
    folder: `tables7-8-${scale}`,
    unit: 'test accuracy, %',
    data: scale === 'full' ? 'cifar10' : 'fashion-mnist',
    rows: made.map(({ row }) => row),
    columns: measured.map(({ column }) => column),
    runs: [
      ...made.map(({ run }) => run),
      ...(blackBox ? [{ ...run(source, 'inner-product', false), seedShift: sourceSeedShift }] : []),
    ],
    cells: made.flatMap(({ cells }) => cells),
    setting: [
      `Network: CNN-9 ${scale === 'full' ? '64-128-256' : '8-16-32'} with batch normalisation and ReLU, cosine.`,
      `${training.words}; projection of decoupled filters every 100 steps; adversarial training on FGSM images of ε = ${attackEpsilon}.`,
      `Attacks: ℓ∞, ε = ${attackEpsilon} of 255 pixel values; BIM ${bimSteps} steps of 1.25 ε/${bimSteps}; on the first ${images.toLocaleString('en')} test images (clean: on all). With ε = ${attackEpsilons.join(', ')}, so that it can be checked that accuracy falls with ε.`,
      ...(blackBox ? ['Source: a plain network trained from another seed, which no row shows.'] : []),
    ],
    deviations: [
      'The paper gives neither ε, nor the steps of BIM, nor the source network.',
      ...(scale === 'full'
        ? []
        : [
            `Attacks: on ${images} images, of which one network’s accuracy is known to within some 4 points (95 %).`,
          ]),
      ...(scale === 'full' ? ['The paper does not name the network.', unknownWidths] : [orderAlone]),
      unknownOptimizer,
      'Accuracies are those after the last step.',
    ],
    claims: blackBox ? blackBoxClaims() : whiteBoxClaims(),
  };
}

function whiteBoxClaims(): readonly Claim[] {
  const plain = rowName('inner-product');
  const others = networks.slice(1).map(rowName);
  return [
    {
      text: 'Under FGSM each decoupled network keeps more accuracy than the plain one (43.64 to 52.60 against 18.82). That is no robustness: see the next line.',
      judge: higher(
        others.map((row) => ({ row, column: 'FGSM' })),
        { row: plain, column: 'FGSM' },
      ),
    },
    {
      text: 'BIM takes every normally trained network to chance (7.74 to 10.18 %, chance is 10 %).',
      judge: (values) => {
        const left = [plain, ...others].map((row) => values(row, 'BIM'));
        if (!left.every((value) => typeof value === 'number')) return undefined;
        return {
          holds: Math.max(...left) <= 15,
          evidence: `${Math.min(...left).toFixed(2)} to ${Math.max(...left).toFixed(2)}`,
        };
      },
    },
  ];
}

function blackBoxClaims(): readonly Claim[] {
  const plain = rowName('inner-product');
  return [
    {
      text: 'Under transferred BIM, Ball and Tanh keep less accuracy than the plain network, Sphere more (27.48, 29.06, 43.10 against 36.22).',
      judge: (values) => {
        const read = ['ball', 'tanh', 'sphere', 'inner-product'].map((name) =>
          values(rowName(name as MagnitudeName), 'BIM'),
        );
        if (!read.every((value) => typeof value === 'number')) return undefined;
        const [ball, tanh, sphere, own] = read as [number, number, number, number];
        return {
          holds: ball < own && tanh < own && sphere > own,
          evidence: `Ball ${ball.toFixed(2)}, Tanh ${tanh.toFixed(2)}, Sphere ${sphere.toFixed(2)} against ${own.toFixed(2)}`,
        };
      },
    },
    {
      text: 'Adversarially trained, the plain network keeps most of its accuracy under transferred BIM (78.55 of 83.70).',
      judge: (values) => {
        const row = `${plain}, adversarially trained`;
        const [clean, bim] = [values(row, 'clean'), values(row, 'BIM')];
        if (typeof clean !== 'number' || typeof bim !== 'number') return undefined;
        return { holds: bim > 0.9 * clean, evidence: `${bim.toFixed(2)} of ${clean.toFixed(2)}` };
      },
    },
  ];
}

interface Place {
  readonly row: string;
  readonly column: string;
}

function higher(better: readonly Place[], worse: Place): Claim['judge'] {
  return (values) => {
    const high = better.map(({ row, column }) => values(row, column));
    const low = values(worse.row, worse.column);
    if (!high.every((value) => typeof value === 'number') || typeof low !== 'number') return undefined;
    return {
      holds: Math.min(...high) > low,
      evidence: `${Math.min(...high).toFixed(2)} to ${Math.max(...high).toFixed(2)} against ${low.toFixed(2)}`,
    };
  };
}
