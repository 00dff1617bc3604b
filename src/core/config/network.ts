import { type Operator, resolveOperator, usesRadius } from '../operator/operator.js';
import { type ConfigFix, removeAt, setField } from './fix.js';
import { layerNames } from './layerNames.js';
import {
  endInScores,
  fitWindow,
  flattenBefore,
  keepFeatureMap,
  makeConverge,
  renameLayer,
} from './networkFixes.js';
import type { Config, LayerConfig, OperatorInput } from './schema.js';

/** [height, width, channels] of one image or feature map. */
export type ImageShape = readonly [height: number, width: number, channels: number];
/** An image's shape, or [features] after flattening. */
export type Shape = ImageShape | readonly [features: number];

interface NetworkLayerBase {
  /** Unique name: the config's, or type and number (`conv1`). */
  readonly name: string;
  /** Position in the config's `layers`. */
  readonly index: number;
  readonly inputShape: Shape;
  readonly outputShape: Shape;
}

/** A layer with every parameter known and shapes that fit. */
export type NetworkLayer = NetworkLayerBase &
  (
    | {
        readonly type: 'conv';
        readonly filters: number;
        readonly kernel: number;
        readonly stride: number;
        readonly padding: 'same' | 'valid';
        /** `undefined`: the plain inner product. */
        readonly operator: Operator | undefined;
        readonly batchNorm: boolean;
        readonly activation: 'relu' | 'none';
      }
    | {
        readonly type: 'max-pool' | 'average-pool';
        readonly size: number;
        readonly stride: number;
        readonly padding: 'same' | 'valid';
      }
    | { readonly type: 'global-average-pool' }
    | { readonly type: 'flatten' }
    | {
        readonly type: 'dense';
        readonly units: number;
        readonly batchNorm: boolean;
        readonly activation: 'relu' | 'none';
      }
  );

export interface Network {
  readonly inputShape: ImageShape;
  readonly classes: number;
  readonly layers: readonly NetworkLayer[];
}

/** Something in the config that cannot be (`error`) or probably is not what was meant (`warning`). */
export interface NetworkProblem {
  readonly severity: 'error' | 'warning';
  /** Path in the config: `['layers', 2, 'kernel']`. */
  readonly path: readonly (string | number)[];
  /** What does not fit, and why. */
  readonly message: string;
  /** What to do. */
  readonly remedy: string;
  /** What can be done by itself. */
  readonly fixes?: readonly ConfigFix[];
}

/** More weights than this in one layer (1 GiB in float32) or feature-map values an image are refused, not tried. */
const largestLayerWeights = 2 ** 28;
const largestFeatureMap = 2 ** 26;

/**
 * Expand a config to a network whose shapes fit, or say which layers cannot fit and why.
 * Without `input` (the data's shape is not known yet) only what does not depend on it is checked, and `network` is
 * undefined; it is undefined too when there is an error.
 */
export function resolveNetwork(
  config: Config,
  input?: { readonly shape: ImageShape; readonly classes: number },
): { readonly network: Network | undefined; readonly problems: readonly NetworkProblem[] } {
  const problems: NetworkProblem[] = [];
  const names = layerNames(config.layers);
  checkNames(names, problems);
  checkLastLayer(config, input?.classes, problems);

  const layers: NetworkLayer[] = [];
  let shape: Shape | undefined = input?.shape;
  let flat = false;
  for (const [index, layer] of config.layers.entries()) {
    const name = names[index]!;
    const fail: Fail = (message, remedy, field, fixes = []) => {
      problems.push({
        severity: 'error',
        path: field === undefined ? ['layers', index] : ['layers', index, field],
        message: `${name}: ${message}`,
        remedy,
        fixes,
      });
      shape = undefined;
    };
    checkOperator(config, layer, index, problems);

    if (flat && layer.type !== 'dense') {
      fail(
        `a ${layer.type} layer needs a feature map, but what reaches it is a flat list of features.`,
        'Move it before the layer that flattens (flatten, global-average-pool or dense).',
        'type',
        keepFeatureMap(config.layers, index),
      );
      break;
    }
    if (!flat && layer.type === 'dense') {
      fail(
        'a dense layer needs a flat list of features, but what reaches it is a feature map.',
        'Put { "type": "global-average-pool" } or { "type": "flatten" } before it.',
        'type',
        flattenBefore(index),
      );
      break;
    }
    if (layer.type !== 'conv' && layer.type !== 'max-pool' && layer.type !== 'average-pool') flat = true;
    if (shape === undefined) continue;
    const inputShape: Shape = shape;
    const outputShape = outputShapeOf(layer, index, inputShape, fail);
    if (outputShape === undefined) break;
    checkSize(layer, inputShape, outputShape, fail);
    shape = outputShape;
    layers.push({ ...expand(config, layer), name, index, inputShape, outputShape });
  }

  const failed = input === undefined || problems.some((problem) => problem.severity === 'error');
  return {
    network: failed ? undefined : { inputShape: input.shape, classes: input.classes, layers },
    problems,
  };
}

type Fail = (message: string, remedy: string, field?: string, fixes?: readonly ConfigFix[]) => void;

function outputShapeOf(layer: LayerConfig, index: number, input: Shape, fail: Fail): Shape | undefined {
  switch (layer.type) {
    case 'conv':
    case 'max-pool':
    case 'average-pool': {
      const [height, width, channels] = input as ImageShape;
      const window = layer.type === 'conv' ? layer.kernel : layer.size;
      const field = layer.type === 'conv' ? 'kernel' : 'size';
      if (layer.padding === 'valid' && (window > height || window > width)) {
        fail(
          `a ${window}×${window} window without padding does not fit into its ${height}×${width} input.`,
          `Use "padding": "same", a ${field} of at most ${Math.min(height, width)}, or fewer strides before it.`,
          field,
          fitWindow(index, field, Math.min(height, width)),
        );
        return undefined;
      }
      const stride = layer.stride ?? window;
      const along = (size: number): number =>
        layer.padding === 'same' ? Math.ceil(size / stride) : Math.floor((size - window) / stride) + 1;
      return [along(height), along(width), layer.type === 'conv' ? layer.filters : channels];
    }
    case 'global-average-pool':
      return [(input as ImageShape)[2]];
    case 'flatten':
      return [product(input)];
    case 'dense':
      return [layer.units];
  }
}

/** The operator of a conv layer, its own fields over the config's; undefined for the plain inner product. */
export function layerOperator(
  { operator }: Pick<Config, 'operator'>,
  layer: Extract<LayerConfig, { readonly type: 'conv' }>,
): Operator | undefined {
  return layer.operator === 'inner-product' ? undefined : resolveOperator(operator, layer.operator ?? {});
}

/** The layer without name and shapes. */
function expand(config: Config, layer: LayerConfig) {
  switch (layer.type) {
    case 'conv': {
      const { type, filters, kernel, stride, padding, batchNorm, activation } = layer;
      const operator = layerOperator(config, layer);
      return { type, filters, kernel, stride, padding, operator, batchNorm, activation } as const;
    }
    case 'max-pool':
    case 'average-pool': {
      const { type, size, padding } = layer;
      return { type, size, stride: layer.stride ?? size, padding } as const;
    }
    case 'global-average-pool':
    case 'flatten':
      return { type: layer.type } as const;
    case 'dense': {
      const { type, units, batchNorm, activation } = layer;
      return { type, units, batchNorm, activation } as const;
    }
  }
}

function checkNames(names: readonly string[], problems: NetworkProblem[]): void {
  for (const [index, name] of names.entries()) {
    const first = names.indexOf(name);
    if (first === index) continue;
    problems.push({
      severity: 'error',
      path: ['layers', index, 'name'],
      message: `The name ${name} is taken by layer ${first + 1}.`,
      remedy: 'Give each layer a name of its own, or leave the name out.',
      fixes: renameLayer(names, index),
    });
  }
}

function checkLastLayer(config: Config, classes: number | undefined, problems: NetworkProblem[]): void {
  const index = config.layers.length - 1;
  const last = config.layers[index]!;
  if (last.type !== 'dense') {
    problems.push({
      severity: 'error',
      path: ['layers', index, 'type'],
      message: `The last layer is ${last.type}, but a network ends in one score for each class.`,
      remedy: `End with { "type": "dense", "units": ${classes ?? 'the number of classes'} }.`,
      fixes: endInScores(config.layers, classes),
    });
  } else if (classes !== undefined && last.units !== classes) {
    problems.push({
      severity: 'error',
      path: ['layers', index, 'units'],
      message: `The last layer gives ${last.units} scores, but the data has ${classes} classes.`,
      remedy: `Set "units": ${classes}.`,
      fixes: [{ ...setField(['layers', index, 'units'], classes), preferred: true }],
    });
  }
}

function checkOperator(config: Config, layer: LayerConfig, index: number, problems: NetworkProblem[]): void {
  if (layer.type !== 'conv' || layer.operator === 'inner-product') return;
  const own: OperatorInput = layer.operator ?? {};
  const operator = resolveOperator(config.operator, own);
  const idle = (fields: readonly (keyof OperatorInput)[], reason: string): void => {
    for (const field of fields) {
      if (own[field] === undefined) continue;
      problems.push({
        severity: 'warning',
        path: ['layers', index, 'operator', field],
        message: `${field} has no effect here: ${reason}.`,
        remedy: 'Take it out.',
        fixes: [{ ...removeAt(['layers', index, 'operator', field], field), preferred: true }],
      });
    }
  };
  if (!usesRadius(operator.magnitude))
    idle(['rho', 'radius', 'learnRho'], `${operator.magnitude} has no radius`);
  if (operator.angular !== 'sigmoid') idle(['k', 'learnK'], `${operator.angular} has no k`);
  if (operator.magnitude !== 'seg' && operator.magnitude !== 'mix')
    idle(['beta'], `${operator.magnitude} has no β`);
  if (
    operator.angular === 'square-cosine' &&
    (operator.magnitude === 'linear' || operator.magnitude === 'seg') &&
    !layer.batchNorm
  ) {
    problems.push({
      severity: 'warning',
      path: ['layers', index],
      message: `${operator.magnitude} with square-cosine and no batch normalisation did not converge in the paper (table 2).`,
      remedy: 'Set "batchNorm": true, or use cosine.',
      fixes: makeConverge(index),
    });
  }
}

function checkSize(layer: LayerConfig, input: Shape, output: Shape, fail: Fail): void {
  if (product(output) > largestFeatureMap) {
    fail(
      `its output of ${output.join('×')} has ${product(output).toLocaleString('en')} values an image, more than fit in memory.`,
      'Use fewer filters, a stride or a pooling layer before it.',
    );
  }
  const weights =
    layer.type === 'conv'
      ? layer.kernel ** 2 * (input as ImageShape)[2] * layer.filters
      : layer.type === 'dense'
        ? product(input) * layer.units
        : 0;
  if (weights > largestLayerWeights) {
    fail(
      `it would have ${weights.toLocaleString('en')} weights, more than fit in memory.`,
      'Use fewer filters or units, or pool before it.',
    );
  }
}

function product(shape: Shape): number {
  return (shape as readonly number[]).reduce((a, b) => a * b, 1);
}
