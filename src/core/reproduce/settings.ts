import type { AngularName, MagnitudeName } from '../config/operatorSchema.js';
import { downloads } from '../data/downloads.js';
import type { ExperimentData, Scale } from './experiment.js';

type Fields = Readonly<Record<string, unknown>>;

/** What becomes of a comparison where the data are not the paper's. */
export const orderAlone =
  'On other data only the order of the numbers can be compared with the paper’s, never their size.';

/** What the tables of CNN-9 have in common: nobody knows how the authors trained it. */
export const unknownWidths =
  'The paper does not give its widths of CNN-9; 64-128-256 are those of the MHE paper by the same group.';
export const unknownOptimizer =
  'The paper does not give this table’s optimiser; Adam is that of the authors’ CIFAR code (ResNet-32). The MHE paper trains its CNN-9 by SGD (0.1, momentum 0.9).';

/** Number of steps of the small runs. Their test error still falls, slowly: they are stopped to keep the hour. */
const smallSteps = 1000;
const fullSteps = 42_500;

/** Reference: the steps at which the authors divide the learning rate, as shares of the training. */
const drops = [20_000, 30_000, 37_500].map((step) => step / fullSteps);

export interface Training {
  readonly steps: number;
  readonly batch: number;
  readonly fields: Fields;
  readonly words: string;
}

/** Adam as TensorFlow 1 has it. */
const authorsAdam: Fields = { epsilon: 1e-8, epsilonOn: 'raw' };

/** Fewest steps of a training: with less, the authors' three drops do not stand apart. */
export const fewestSteps = 10;

/** Learning rate ÷10 at the authors' shares of the training. */
function stepwise(steps: number): Fields {
  return { type: 'step', at: drops.map((share) => Math.round(share * steps)), factor: 0.1 };
}

/**
 * Training of a classification table (reference, section 2: the authors' CIFAR code).
 * @param steps at least {@link fewestSteps}; left out, those of the scale
 */
export function tableTraining(scale: Scale, steps = scale === 'full' ? fullSteps : smallSteps): Training {
  const batch = scale === 'full' ? 128 : 64;
  return {
    steps,
    batch,
    fields: {
      optimizer: { type: 'adam', learningRate: 0.001, ...(scale === 'full' ? authorsAdam : {}) },
      schedule: stepwise(steps),
      steps,
      batch,
      // A short training cannot fill averages over thousands of steps.
      averageDecay: scale === 'full' ? 0.999 : 0.99,
      labelSmoothing: 0.01,
      loss: { epsilon: 1e-4 },
      weightDecay: 5e-4,
      ...(scale === 'full' ? { augmentation: { mirrorPad: 4, flip: true } } : {}),
    },
    words:
      `Adam 1e-3, ÷10 after ${drops.map((share) => Math.round(share * steps).toLocaleString('en')).join(', ')} of ` +
      `${steps.toLocaleString('en')} steps of ${batch} images; label smoothing 0.01, log(softmax + 1e-4), decay 5e-4 of plain ` +
      `weights and batch normalisation, soft orthogonality 1e-5 of decoupled filters` +
      (scale === 'full' ? '; mirror pad 4, crop, flip' : '; no augmentation'),
  };
}

/** The `data` of a config. Fashion-MNIST's folder need not name its classes: Debian's does not. */
export function dataField({ kind, folder }: ExperimentData): Fields {
  switch (kind) {
    case 'fashion-mnist':
      return { idx: folder, classNames: downloads[kind].classNames };
    case 'mnist':
      return { idx: folder };
    case 'cifar10':
      return { cifar10: folder };
    case 'cifar100':
      return { cifar100: folder, labels: 'fine' };
  }
}

/** What a table says of CNN-9's convolutions. */
interface Cnn9Style {
  readonly batchNorm: boolean;
  readonly relu: boolean;
}

/** CNN-9 as a preset. */
export function cnn9(scale: Scale, style: Cnn9Style): Fields {
  return {
    preset: 'cnn-9',
    widths: scale === 'full' ? [64, 128, 256] : [8, 16, 32],
    ...styleFields(style),
  };
}

/** The part of {@link cnn9} that a table says. */
export function styleFields({ batchNorm, relu }: Cnn9Style): Fields {
  return { batchNorm, activation: relu ? 'relu' : 'none' };
}

/** Projection as the authors' code has it. */
export const authorsProjection: Fields = { every: 100 };

/** What the authors' code does to decoupled filters beside the table's subject; plain filters know nothing of it. */
export const decoupledTraining: Fields = { orthogonality: 1e-5 };

/** Fields of a row's operator, and of the training that only decoupled filters have. */
export function operatorFields(magnitude: MagnitudeName | 'inner-product', angular: AngularName): Fields {
  const operator = operatorOf(magnitude, angular);
  return magnitude === 'inner-product'
    ? { operator }
    : { operator, ...decoupledTraining, projection: authorsProjection };
}

/** The `operator` of a row. */
export function operatorOf(
  magnitude: MagnitudeName | 'inner-product',
  angular: AngularName,
): Fields | string {
  return magnitude === 'inner-product' ? magnitude : { magnitude, angular };
}
