import * as tf from '@tensorflow/tfjs-core';
import type { Network, NetworkLayer } from '../../core/config/network.js';
import type { Normalization } from '../../core/config/normalizationSchema.js';
import { DebiasedBatchNormalization } from '../layers/batchNormalization.js';
import { type DecoupledCall, DecoupledConv2D } from '../layers/decoupledConv2dLayer.js';
import { variableOf } from '../layers/layerWeights.js';
import { canFinishConvolution } from '../operator/affineConvolution.js';
import { normalizeFilters } from '../operator/filterNorms.js';
import { canNormalizeProduct } from '../operator/normalizedProduct.js';
import { normEpsilon } from '../operator/patchNorms.js';
import { type BuildOptions, buildLayer, type LayerPart, type LayerParts } from './buildLayers.js';

/** A tensor that training changes. */
export interface TrainableTensor {
  /** As in {@link DcnetModel.tensors}. */
  readonly name: string;
  readonly variable: tf.Variable;
  /** Whether weight decay applies: plain filters, dense weights, batch normalisation; never decoupled filters, ρ, k. */
  readonly decay: boolean;
}

/** A decoupled layer's parameters as they are now, one value per filter. */
export interface DecoupledLayer {
  readonly layer: NetworkLayer;
  /** ρ [F]; empty where the operator has no radius. */
  rho(): Float32Array;
  /**
   * The radius in use at test time in the unit of ‖x‖ [F]: R = ρ or ρ·E‖x‖, over ‖w‖ for the joint weighting; empty
   * where the operator has no radius.
   */
  radius(): Float32Array;
  /** E‖x‖, the running average; NaN where the radius is not adaptive. */
  meanPatchNorm(): number;
  /** k [F]; empty where the activation has none. */
  k(): Float32Array;
  /** [K, K, Cin, F], or [features, units] of a dense layer. */
  readonly kernel: tf.Variable;
}

/** What {@link DcnetModel.walk} shows of each layer: the operator's input and its output before normalisation. */
export type Visit = (layer: NetworkLayer, input: tf.Tensor, output: tf.Tensor, inside: Inside) => void;

/** What lies between a layer's input and the next one's. */
export interface Inside {
  /**
   * ⟨w, x⟩ as the layer computes it, [N, H′, W′, F] or [N, units]: of w itself in a plain layer; in a decoupled one of
   * w/√(‖w‖² + 1e-4), and times α where LinearConv with the cosine makes one convolution of it all.
   */
  readonly projection: tf.Tensor;
  /** What the next layer sees: after normalisation and activation. */
  readonly response: tf.Tensor;
  /** Responses of the layers before this one that an addition at or behind it reads. */
  readonly earlier: EarlierResponses;
}

/** Responses that additions read, by the name of the layer that gave them. */
export type EarlierResponses = ReadonlyMap<string, tf.Tensor>;

/** A network with its weights, ready to be trained and looked into. */
export interface DcnetModel {
  /** How pixel values become its input. */
  readonly normalization: Normalization;
  /** Scores at test time, from the running averages. [N, H, W, C] → [N, classes]. */
  predict(x: tf.Tensor4D): tf.Tensor2D;
  /** Scores in training: batch statistics, differentiable, and the running averages take a step. */
  train(x: tf.Tensor4D): tf.Tensor2D;
  readonly trainable: readonly TrainableTensor[];
  /** Every tensor a checkpoint holds, by name (`conv1/kernel`), in the network's order. */
  readonly tensors: ReadonlyMap<string, tf.Variable>;
  /** Weight projection of the decoupled filters: w ← scale · w / √(‖w‖² + 1e-4). */
  project(scale?: number): void;
  /** {@link predict}, layer by layer; the tensors shown live until `visit` returns. */
  walk(x: tf.Tensor4D, visit: Visit): tf.Tensor2D;
  /**
   * {@link predict} from the middle: what the network makes of a layer's output before normalisation, as if the layer
   * had given it. [N, ...the layer's output shape] → [N, classes].
   * @param earlier what residual connections carry past the layer, for the same N images: {@link Inside.earlier}
   * @throws where an addition behind the layer reads what is not among `earlier`
   */
  runOn(layer: string, output: tf.Tensor, earlier?: EarlierResponses): tf.Tensor2D;
  readonly decoupled: readonly DecoupledLayer[];
  /** Number of trained values. */
  readonly parameterCount: number;
  dispose(): void;
}

interface Stage extends LayerParts {
  readonly layer: NetworkLayer;
}

/**
 * Make the tensors of a network. Initial weights depend on the seed and each layer's name alone.
 * The network's last layer must give [N, classes].
 */
export function buildModel(network: Network, options: BuildOptions): DcnetModel {
  const stages = network.layers.map((layer): Stage => ({ layer, ...buildLayer(layer, options) }));
  const parts = stages.flatMap(partsOf);
  for (const { layer, inputShape } of parts) layer.build([null, ...inputShape]);
  const tensors = new Map(parts.flatMap(namedTensors));
  const trainable = parts.flatMap((part) =>
    namedTensors(part)
      .filter(([, variable]) => variable.trainable)
      .map(([name, variable]) => ({ name, variable, decay: part.decay })),
  );
  const readBy = lastReaders(network);
  const decoupled = stages.flatMap(({ layer, operator }) =>
    operator?.layer instanceof DecoupledConv2D ? [decoupledLayer(layer, operator.layer)] : [],
  );

  return {
    normalization: network.normalization,
    predict: (x) => tf.tidy(() => forward(stages, x, { training: false, readBy })),
    train: (x) => tf.tidy(() => forward(stages, x, { training: true, readBy })),
    trainable,
    tensors,
    project(scale = 1) {
      tf.tidy(() => {
        for (const { kernel } of decoupled) {
          const unit = normalizeFilters(kernel as tf.Tensor, normEpsilon);
          kernel.assign(scale === 1 ? unit : tf.mul(unit, scale));
        }
      });
    },
    walk: (x, visit) => tf.tidy(() => forward(stages, x, { training: false, readBy, visit })),
    runOn(layer, output, earlier) {
      const at = stages.findIndex((stage) => stage.layer.name === layer);
      const stage = stages[at];
      if (stage === undefined) throw new Error(`There is no layer ${layer}.`);
      return tf.tidy(() => {
        const response = run(stage.after, output, false);
        const kept = new Map(earlier);
        kept.set(layer, response);
        return forward(stages.slice(at + 1), response, { training: false, readBy, earlier: kept });
      });
    },
    decoupled,
    parameterCount: trainable.reduce((count, { variable }) => count + variable.size, 0),
    dispose: () => {
      for (const { layer } of parts) for (const weight of layer.weights) weight.dispose();
    },
  };
}

interface Pass {
  readonly training: boolean;
  /** {@link lastReaders}. */
  readonly readBy: ReadonlyMap<string, number>;
  readonly visit?: Visit;
  readonly earlier?: EarlierResponses;
}

function forward(
  stages: readonly Stage[],
  x: tf.Tensor,
  { training, readBy, visit, earlier: given }: Pass,
): tf.Tensor2D {
  let current = x;
  const earlier = new Map(given);
  for (const stage of stages) {
    const { layer } = stage;
    const input = current;
    let projection: tf.Tensor | undefined;
    const onProjection = (tensor: tf.Tensor): void => {
      projection = tf.keep(tf.clone(tensor)); // past the operator's own tidy
    };
    const isTapped = visit !== undefined && stage.operator?.layer instanceof DecoupledConv2D;
    // Nobody looks at what lies between the two.
    const normalizing = visit === undefined ? normalizingCall(stage, training) : undefined;
    const output = outputOf(stage, input, earlier, {
      training,
      ...(isTapped ? { onProjection } : {}),
      ...normalizing,
    });
    current = run(normalizing === undefined ? stage.after : stage.after.slice(1), output, training);
    const inside = { projection: projection ?? output, response: current, earlier };
    try {
      if (visit !== undefined) tf.tidy(() => visit(layer, input, output, inside));
    } finally {
      projection?.dispose();
    }
    const passed = [input, output];
    for (const [name, response] of earlier)
      if (readBy.get(name)! <= layer.index) {
        earlier.delete(name);
        passed.push(response);
      }
    if (readBy.has(layer.name)) earlier.set(layer.name, current);
    // A deep network's feature maps are not all in memory at once; in training the gradient needs them.
    if (!training) disposeAllBut([x, current, ...earlier.values(), ...(given?.values() ?? [])], passed);
  }
  return current as tf.Tensor2D;
}

function disposeAllBut(kept: readonly tf.Tensor[], tensors: readonly tf.Tensor[]): void {
  for (const tensor of tensors) if (!kept.includes(tensor)) tensor.dispose();
}

/** How an operator is called that computes the batch normalisation behind it along, in the same passes; undefined: none. */
function normalizingCall(
  { layer, operator, after: [next] }: Stage,
  training: boolean,
): Pick<DecoupledCall, 'product' | 'affine'> | undefined {
  const normalization = next?.layer;
  if (!(normalization instanceof DebiasedBatchNormalization)) return undefined;
  const isDecoupled = operator?.layer instanceof DecoupledConv2D;
  if (!training && canFinishConvolution() && (isDecoupled || layer.type === 'conv'))
    return { affine: () => normalization.affine() };
  if (isDecoupled && operator.layer.hasBareProduct && canNormalizeProduct(training))
    return { product: normalization.normalizing(training) };
  return undefined;
}

/** What a layer gives before normalisation and activation. */
function outputOf(
  { layer, operator, shortcut }: Stage,
  input: tf.Tensor,
  earlier: EarlierResponses,
  context: DecoupledCall & { readonly training: boolean },
): tf.Tensor {
  if (operator !== undefined) return operator.layer.call(input, context) as tf.Tensor;
  if (layer.type !== 'add') throw new Error(`${layer.name} has no operator.`);
  const source = earlier.get(layer.from);
  if (source === undefined)
    throw new Error(`${layer.name} adds the response of ${layer.from}, which is not there.`);
  return tf.add(input, run(shortcut, source, context.training));
}

/** One part after another. */
function run(parts: readonly LayerPart[], input: tf.Tensor, training: boolean): tf.Tensor {
  return parts.reduce((x, { layer }) => layer.call(x, { training }) as tf.Tensor, input);
}

/** For each layer that an addition reads: the position of the last that does. */
function lastReaders({ layers }: Network): ReadonlyMap<string, number> {
  return new Map(
    layers.flatMap((layer) => (layer.type === 'add' ? [[layer.from, layer.index] as const] : [])),
  );
}

function partsOf({ operator, shortcut, after }: LayerParts): LayerPart[] {
  return [...(operator === undefined ? [] : [operator]), ...shortcut, ...after];
}

/** Weights by their names in a checkpoint. */
function namedTensors({ name, layer }: LayerPart): [string, tf.Variable][] {
  return layer.weights.map((weight) => {
    const own = weight.originalName.split('/').at(-1) ?? weight.originalName;
    return [`${name}/${own}`, variableOf(weight)];
  });
}

function decoupledLayer(layer: NetworkLayer, operator: DecoupledConv2D): DecoupledLayer {
  const filters = layer.outputShape.at(-1) ?? 1;
  const perFilter = (compute: () => tf.Tensor | undefined): Float32Array =>
    tf.tidy(() => {
      const tensor = compute();
      if (tensor === undefined) return new Float32Array();
      return tf.mul(tensor, tf.ones([filters])).dataSync<'float32'>();
    });
  return {
    layer,
    kernel: operator.kernel,
    rho: () => perFilter(() => operator.rho()),
    radius: () => perFilter(() => operator.radiusInUse()),
    meanPatchNorm: () =>
      operator.isAdaptive ? (operator.meanPatchNorm.dataSync<'float32'>()[0] ?? Number.NaN) : Number.NaN,
    k: () => perFilter(() => operator.k()),
  };
}
