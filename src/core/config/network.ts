import { allowsWeighting, type Operator, resolveOperator, usesRadius } from '../operator/operator.js';
import { checkSource, type Projection, resolveAddition } from './addition.js';
import { type ConfigFix, removeAt, setField } from './fix.js';
import { inputProblems } from './inputProblems.js';
import { layerNames } from './layerNames.js';
import type { LayerConfig } from './layerSchema.js';
import {
  endInScores,
  fitWindow,
  flattenBefore,
  keepFeatureMap,
  makeConverge,
  renameLayer,
} from './networkFixes.js';
import type { NetworkProblem } from './networkProblem.js';
import { type Normalization, resolveNormalization } from './normalizationSchema.js';
import type { OperatorInput } from './operatorSchema.js';
import { layersOf, presetOf } from './presets/layersOf.js';
import { ofPreset } from './presets/problems.js';
import type { Config } from './schema.js';
import type { ImageShape, Shape } from './shape.js';

export type { ImageShape, Shape };

/** What follows a layer, after batch normalisation or an addition. `initialSlope` is where prelu's slopes start. */
export type Activation = 'relu' | 'prelu' | 'none';

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
        readonly activation: Activation;
        readonly initialSlope?: number | undefined;
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
        /** `undefined`: the plain inner product. */
        readonly operator: Operator | undefined;
        readonly batchNorm: boolean;
        readonly activation: Activation;
        readonly initialSlope?: number | undefined;
      }
    | {
        readonly type: 'add';
        /** Name of the earlier layer whose response is added to the input. */
        readonly from: string;
        readonly fromShape: Shape;
        /** `undefined`: the earlier layer's response is added as it is. */
        readonly projection: Projection | undefined;
        readonly activation: Activation;
        readonly initialSlope?: number | undefined;
      }
  );

export interface Network {
  readonly inputShape: ImageShape;
  readonly classes: number;
  /** How pixel values become the input. */
  readonly normalization: Normalization;
  readonly layers: readonly NetworkLayer[];
}

/** More weights than this in one layer (1 GiB in float32) or feature-map values an image are refused, not tried. */
const largestLayerWeights = 2 ** 28;
const largestFeatureMap = 2 ** 26;

/**
 * Expand a config to a network whose shapes fit, or say which layers cannot fit and why.
 * `input` is of the data: a network with a crop takes a part of each image.
 * Without `input` (the data's shape is not known yet) only what does not depend on it is checked, and `network` is
 * undefined; it is undefined too when there is an error.
 */
export function resolveNetwork(
  config: Config,
  input?: { readonly shape: ImageShape; readonly classes: number },
): { readonly network: Network | undefined; readonly problems: readonly NetworkProblem[] } {
  const given = layersOf(config, input?.classes);
  const inputShape = input && inputShapeOf(config, input.shape);
  const { layers, problems } = resolveLayers(config, given, input);
  const preset = presetOf(config);
  const failed =
    input === undefined ||
    inputShape === undefined ||
    problems.some((problem) => problem.severity === 'error');
  return {
    network: failed
      ? undefined
      : {
          inputShape,
          classes: input.classes,
          normalization: resolveNormalization(config.normalization, input.shape[2]),
          layers,
        },
    problems: preset === undefined ? problems : ofPreset(problems, preset, input?.classes),
  };
}

/** What the network takes of images of a shape: their crop, where there is one. */
function inputShapeOf({ augmentation }: Config, shape: ImageShape): ImageShape {
  return augmentation?.crop === undefined ? shape : [...augmentation.crop, shape[2]];
}

function resolveLayers(
  config: Config,
  given: readonly LayerConfig[],
  input: { readonly shape: ImageShape; readonly classes: number } | undefined,
): { readonly layers: readonly NetworkLayer[]; readonly problems: readonly NetworkProblem[] } {
  const problems: NetworkProblem[] = [];
  const names = layerNames(given);
  checkNames(names, problems);
  checkLastLayer(given, input?.classes, problems);
  problems.push(...inputProblems(config, input?.shape));

  const layers: NetworkLayer[] = [];
  let shape: Shape | undefined = input && inputShapeOf(config, input.shape);
  let flat = false;
  for (const [index, layer] of given.entries()) {
    const name = names[index]!;
    const tell = (
      severity: 'error' | 'warning',
      ...[message, remedy, field, fixes = []]: Parameters<Fail>
    ) => {
      const path = field === undefined ? ['layers', index] : ['layers', index, field];
      problems.push({ severity, path, message: `${name}: ${message}`, remedy, fixes });
    };
    const fail: Fail = (...told) => {
      tell('error', ...told);
      shape = undefined;
    };
    checkOperator(config, given, index, problems);
    if ('initialSlope' in layer && layer.initialSlope !== undefined && layer.activation !== 'prelu')
      tell(
        'warning',
        `initialSlope has no effect: its activation is ${layer.activation}, which has no slope to learn.`,
        'Take it out, or set "activation": "prelu".',
        'initialSlope',
        [{ ...removeAt(['layers', index, 'initialSlope'], 'initialSlope'), preferred: true }],
      );

    if (flat && layer.type !== 'dense' && layer.type !== 'add') {
      fail(
        `a ${layer.type} layer needs a feature map, but what reaches it is a flat list of features.`,
        'Move it before the layer that flattens (flatten, global-average-pool or dense).',
        'type',
        keepFeatureMap(given, index),
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
    if (layer.type === 'add' && !checkSource(layer, index, names, fail)) break;
    if (layer.type === 'flatten' || layer.type === 'global-average-pool' || layer.type === 'dense')
      flat = true;
    if (shape === undefined) continue;
    const inputShape: Shape = shape;
    if (layer.type === 'add') {
      const source = layers.find((earlier) => earlier.name === layer.from)!;
      const warn: Fail = (...told) => tell('warning', ...told);
      const projection = resolveAddition(layer, index, source, inputShape, fail, warn);
      if (projection === undefined) break;
      const added = {
        type: layer.type,
        from: layer.from,
        fromShape: source.outputShape,
        projection: projection === 'none' ? undefined : projection,
        ...activationOf(layer),
      };
      layers.push({ ...added, name, index, inputShape, outputShape: inputShape });
      checkWeights(projection === 'none' ? 0 : source.outputShape.at(-1)! * inputShape.at(-1)!, fail);
      continue;
    }
    const outputShape = outputShapeOf(layer, index, inputShape, fail);
    if (outputShape === undefined) break;
    checkSize(layer, inputShape, outputShape, fail);
    shape = outputShape;
    layers.push({ ...expand(config, layer), name, index, inputShape, outputShape });
  }

  checkInherited(config, given, problems);
  checkFilterTraining(config, given, problems);
  return { layers, problems };
}

type Fail = (message: string, remedy: string, field?: string, fixes?: readonly ConfigFix[]) => void;

/** Layers whose output depends on what reaches them alone. */
type PlainLayer = Exclude<LayerConfig, { readonly type: 'add' }>;

function outputShapeOf(layer: PlainLayer, index: number, input: Shape, fail: Fail): Shape | undefined {
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

/**
 * The operator of a layer with filters, its own fields over the config's; undefined for the plain inner product, which
 * a dense layer has where it says nothing. `{}` is the config's operator. In a plain network a layer with an operator of
 * its own has defaults for what it leaves out.
 */
export function layerOperator(
  { operator }: Pick<Config, 'operator'>,
  layer: Extract<LayerConfig, { readonly type: 'conv' | 'dense' }>,
): Operator | undefined {
  const own = layer.operator ?? (layer.type === 'dense' ? 'inner-product' : {});
  if (own === 'inner-product') return undefined;
  if (operator !== 'inner-product') return resolveOperator(operator, own);
  return Object.keys(own).length === 0 ? undefined : resolveOperator({}, own);
}

/** The layer without name and shapes. */
function expand(config: Pick<Config, 'operator'>, layer: PlainLayer) {
  switch (layer.type) {
    case 'conv': {
      const { type, filters, kernel, stride, padding, batchNorm } = layer;
      const operator = layerOperator(config, layer);
      const after = activationOf(layer);
      return { type, filters, kernel, stride, padding, operator, batchNorm, ...after } as const;
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
      const { type, units, batchNorm } = layer;
      const operator = layerOperator(config, layer);
      return { type, units, operator, batchNorm, ...activationOf(layer) } as const;
    }
  }
}

function activationOf({ activation, initialSlope }: Extract<LayerConfig, { readonly activation: string }>) {
  return initialSlope === undefined ? { activation } : { activation, initialSlope };
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

function checkLastLayer(
  layers: readonly LayerConfig[],
  classes: number | undefined,
  problems: NetworkProblem[],
): void {
  const index = layers.length - 1;
  const last = layers[index]!;
  if (last.type !== 'dense') {
    problems.push({
      severity: 'error',
      path: ['layers', index, 'type'],
      message: `The last layer is ${last.type}, but a network ends in one score for each class.`,
      remedy: `End with { "type": "dense", "units": ${classes ?? 'the number of classes'} }.`,
      fixes: endInScores(layers, classes),
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

function checkOperator(
  config: Pick<Config, 'operator'>,
  layers: readonly LayerConfig[],
  index: number,
  problems: NetworkProblem[],
): void {
  const layer = layers[index]!;
  if (layer.type !== 'conv' && layer.type !== 'dense') return;
  const operator = layerOperator(config, layer);
  if (operator === undefined || layer.operator === 'inner-product') return;
  const own: OperatorInput = layer.operator ?? {};
  for (const [field, reason] of idleFields(operator))
    if (own[field] !== undefined)
      problems.push(withoutEffect(['layers', index, 'operator', field], field, ` here: ${reason}`));
  checkWeighting(operator, own, index, problems);
  if (
    operator.angular === 'square-cosine' &&
    (operator.magnitude === 'linear' || operator.magnitude === 'seg') &&
    !isNormalized(layers, index)
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

/** Fields that an operator's functions do not have, each with the reason. */
function idleFields({
  magnitude,
  angular,
}: Operator): readonly (readonly [field: keyof OperatorInput, reason: string])[] {
  const idle = (fields: readonly (keyof OperatorInput)[], reason: string) =>
    fields.map((field) => [field, reason] as const);
  return [
    ...(usesRadius(magnitude) ? [] : idle(['rho', 'radius', 'learnRho'], `${magnitude} has no radius`)),
    ...(angular === 'sigmoid' ? [] : idle(['k', 'learnK'], `${angular} has no k`)),
    ...(magnitude === 'seg' || magnitude === 'mix' ? [] : idle(['beta'], `${magnitude} has no β`)),
    ...(angular === 'square-cosine' ? [] : idle(['exponent'], `${angular} has no exponent`)),
  ];
}

function withoutEffect(path: readonly (string | number)[], field: string, why: string): NetworkProblem {
  return {
    severity: 'warning',
    path,
    message: `${field} has no effect${why}.`,
    remedy: 'Take it out.',
    fixes: [{ ...removeAt(path, field), preferred: true }],
  };
}

/** What the config's operator says and no layer that takes it over has a use for. */
function checkInherited(
  config: Pick<Config, 'operator'>,
  layers: readonly LayerConfig[],
  problems: NetworkProblem[],
): void {
  if (config.operator === 'inner-product') return;
  const decoupled = layers.flatMap((layer) => {
    if (layer.type !== 'conv' && layer.type !== 'dense') return [];
    const operator = layerOperator(config, layer);
    if (operator === undefined || layer.operator === 'inner-product') return [];
    return [{ own: layer.operator ?? {}, idle: new Map(idleFields(operator)) }];
  });
  for (const field of Object.keys(config.operator) as (keyof OperatorInput)[]) {
    const reasons = decoupled.flatMap(({ own, idle }) => (own[field] === undefined ? [idle.get(field)] : []));
    if (reasons.length === 0 || reasons.includes(undefined)) continue;
    problems.push(
      withoutEffect(['operator', field], field, ` in any layer: ${[...new Set(reasons)].join(', ')}`),
    );
  }
}

/** Whether batch normalisation follows a layer; a dense layer may have it before, as that of CNN-9 (tables 2 and 3). */
function isNormalized(layers: readonly LayerConfig[], index: number): boolean {
  const has = (layer: LayerConfig): boolean => 'batchNorm' in layer && layer.batchNorm === true;
  const layer = layers[index]!;
  return has(layer) || (layer.type === 'dense' && layers.slice(0, index).some(has));
}

/** What is said of decoupled filters where there are none. */
function checkFilterTraining(
  config: Config,
  layers: readonly LayerConfig[],
  problems: NetworkProblem[],
): void {
  const isDecoupled = (layer: LayerConfig): boolean =>
    (layer.type === 'conv' || layer.type === 'dense') && layerOperator(config, layer) !== undefined;
  if (layers.some(isDecoupled)) return;
  for (const field of ['projection', 'filterGradients', 'orthogonality', 'hypersphericalEnergy'] as const) {
    if (config[field] === undefined) continue;
    problems.push({
      severity: 'warning',
      path: [field],
      message: `${field} has no effect: it is of decoupled filters, and every layer is plain.`,
      remedy: 'Take it out, or give a layer an operator.',
      fixes: [{ ...removeAt([field], field), preferred: true }],
    });
  }
}

/** Equations 15 and 16 are of tanh. Said where the weighting stands; for each layer that it reaches from above. */
function checkWeighting(
  { magnitude, weighting }: Operator,
  own: OperatorInput,
  index: number,
  problems: NetworkProblem[],
): void {
  if (allowsWeighting(magnitude, weighting)) return;
  const isOwn = own.weighting !== undefined || own.magnitude !== undefined;
  const path = isOwn ? ['layers', index, 'operator'] : ['operator'];
  const field = own.weighting === undefined && own.magnitude !== undefined ? 'magnitude' : 'weighting';
  if (!isOwn && problems.some(({ path: [first, second] }) => first === 'operator' && second === field))
    return;
  problems.push({
    severity: 'error',
    path: [...path, field],
    message: `The weighting ${weighting} is of tanh (equations 15 and 16 of the paper), but the magnitude is ${magnitude}.`,
    remedy: 'Set "magnitude": "tanh", or "weighting": "linear" or "none".',
    fixes: [
      { ...setField([...path, 'weighting'], 'linear'), preferred: true },
      setField([...path, 'magnitude'], 'tanh'),
    ],
  });
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
  checkWeights(weights, fail);
}

function checkWeights(weights: number, fail: Fail): void {
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
