import { type MagnitudeName, magnitudeNames } from '../config/operatorSchema.js';
import { magnitudeValue } from '../operator/magnitude.js';
import { operatorName, resolveOperator } from '../operator/operator.js';
import type { Claim, Experiment, ExperimentData, Scale } from './experiment.js';
import type { FeatureSpread } from './features.js';
import { judgeLower } from './judge.js';
import { authorsProjection, dataField, operatorOf, orderAlone } from './settings.js';
import { rowName } from './tables.js';

/** Networks of figure 1, in its order of talking: the plain one, then those whose features lie on a ring. */
const networks: readonly (MagnitudeName | 'inner-product')[] = ['inner-product', 'sphere', 'ball', 'tanh'];
const accuracy = 'test accuracy';
/** Of its three stages; at the small scale a quarter, for two cores. */
const widthsOf: Readonly<Record<Scale, readonly number[]>> = { full: [32, 64, 128], small: [8, 16, 32] };

/** Figure 1: features of two components. */
export function figure1(
  scale: Scale,
  data: ExperimentData,
  steps = scale === 'full' ? 20_000 : 3000,
): Experiment {
  const made = networks.map((magnitude) => {
    const id = magnitude === 'inner-product' ? 'plain' : magnitude;
    return {
      run: {
        id,
        config: {
          data: dataField(data),
          layers: { preset: 'mnist-2d', widths: widthsOf[scale] },
          operator: operatorOf(magnitude, 'cosine'),
          optimizer: { type: 'adam', learningRate: 0.001 },
          schedule: { type: 'cosine' },
          steps,
          batch: 64,
          averageDecay: 0.99,
          ...(magnitude === 'inner-product' ? {} : { projection: authorsProjection }),
        },
        subject: { operator: operatorOf(magnitude, 'cosine') },
      },
      cell: {
        row: rowName(magnitude),
        column: accuracy,
        paper: undefined,
        run: id,
        measure: { kind: 'test-accuracy' as const },
      },
    };
  });
  return {
    name: 'figure1',
    title: 'Figure 1: features of a network whose last hidden layer has two components',
    scale,
    folder: `figure1-${scale}`,
    unit: 'test accuracy, %',
    data: scale === 'full' ? 'mnist' : 'fashion-mnist',
    rows: made.map(({ cell }) => cell.row),
    columns: [accuracy],
    runs: made.map(({ run }) => run),
    cells: made.map(({ cell }) => cell),
    setting: [
      `Network: the mnist-2d preset with ${widthsOf[scale].join('-')} filters a stage; its two-component layer has the operator of the network.`,
      `Adam 1e-3, cosine schedule, ${steps.toLocaleString('en')} steps of 64 images; projection every 100 steps for decoupled filters.`,
    ],
    deviations: [
      'The paper gives no numbers for this figure.',
      ...(scale === 'full' ? [] : [`${orderAlone} The classes of Fashion-MNIST overlap more.`]),
    ],
    claims: figure1Claims(),
  };
}

/** What is measured of a network's features: the name of its column, and decimals. */
export const spreadColumns: readonly (readonly [keyof FeatureSpread, column: string, decimals: number])[] = [
  ['norm', 'spread of ‖x‖ over its mean (0: a ring)', 3],
  ['normWithin', 'the same within a class (long petals: large)', 3],
  ['angleWithin', 'spread of the direction within a class, degrees', 1],
];

/** Of MNIST and of Fashion-MNIST. */
const classes = 10;
/**
 * Degrees from the middle of a class to where the next one begins, of classes that share a ring evenly. A class whose directions
 * spread less (one standard deviation) lies apart from its neighbours; wider ones run into each other.
 */
const halfDistance = 180 / classes;

/**
 * The paper's picture has no numbers: what it shows is an order of the spreads of ‖x‖, and classes that lie apart on the
 * ring.
 */
function figure1Claims(): readonly Claim[] {
  const [plain, ...decoupled] = networks.map(rowName) as [string, ...string[]];
  const lower = (measure: keyof FeatureSpread): Claim['judge'] => {
    const column = spreadColumns.find(([name]) => name === measure)![1];
    return (values) =>
      judgeLower(
        values,
        decoupled.map((row) => ({ row, column })),
        [{ row: plain, column }],
      );
  };
  const direction = spreadColumns.find(([name]) => name === 'angleWithin')![1];
  const limit = { row: 'half the distance of two classes', column: direction };
  const names = `${decoupled.slice(0, -1).join(', ')} and ${decoupled.at(-1)}`;
  return [
    {
      text: `Features of ${names} lie nearer to a ring than the plain network’s: their ‖x‖ spreads less.`,
      judge: lower('norm'),
    },
    {
      text: 'Within a class, too, their ‖x‖ spreads less: the plain network has petals.',
      judge: lower('normWithin'),
    },
    {
      text: `On the ring the classes are clusters apart: within one, their direction spreads less than ${halfDistance}°, half of what ${classes} classes on a ring lie apart.`,
      judge: (values) =>
        judgeLower(
          (row, column) => (row === limit.row ? halfDistance : values(row, column)),
          decoupled.map((row) => ({ row, column: direction })),
          [limit],
        ),
    },
  ];
}

/** Figure 3: the curves of h and g. Nothing is trained. */
export function figure3(scale: Scale): Experiment {
  return {
    name: 'figure3',
    title: 'Figure 3: magnitude functions and angular activations',
    scale,
    folder: 'figure3',
    unit: '',
    data: undefined,
    rows: [],
    columns: [],
    runs: [],
    cells: [],
    setting: ['α = 1, β = 0.5 (MixConv 1), R = 1, k = 0.3.'],
    deviations: ['The paper does not give the α and β of its MixConv curve; both are 1 here.'],
    claims: [],
  };
}

/** h at ‖x‖ = 2 as read off the paper's figure 3 (α = 1, β = 0.5, ρ = 1). */
const printedAtTwo: Readonly<Partial<Record<MagnitudeName, number>>> = {
  sphere: 1,
  ball: 1,
  tanh: 0.964,
  seg: 1.5,
  log: 1.0986,
};

/** The numbers that figure 3 can be checked by; the first row is the head. */
export function figure3Table(): readonly (readonly string[])[] {
  return [
    ['', 'h at ‖x‖ = 2', 'in the paper’s figure'],
    ...magnitudeNames.map((name) => {
      const { alpha, beta } = resolveOperator({ magnitude: name });
      return [
        operatorName(name),
        magnitudeValue(name, 2, { alpha, beta, radius: 1 }).toFixed(4),
        printedAtTwo[name]?.toString() ?? '–',
      ];
    }),
  ];
}
