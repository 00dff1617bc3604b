import * as tf from '@tensorflow/tfjs-core';
import { type Sequential, sequential } from '@tensorflow/tfjs-layers';
import type { Network, NetworkLayer } from '../../core/config/network.js';
import { DebiasedBatchNormalization } from '../layers/batchNormalization.js';
import { DecoupledConv2D } from '../layers/decoupledConv2dLayer.js';
import { variableOf } from '../layers/layerWeights.js';
import { normalizeFilters } from '../operator/filterNorms.js';
import { normEpsilon } from '../operator/patchNorms.js';
import { type BuildOptions, buildLayer, type LayerParts } from './buildLayers.js';

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
  /** The radius in use at test time, R = ρ or ρ·E‖x‖ [F]; empty where the operator has no radius. */
  radius(): Float32Array;
  /** E‖x‖, the running average; NaN where the radius is not adaptive. */
  meanPatchNorm(): number;
  /** k [F]; empty where the activation has none. */
  k(): Float32Array;
  /** [K, K, Cin, F]. */
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
}

/** A network with its weights, ready to be trained and looked into. */
export interface DcnetModel {
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
   */
  runOn(layer: string, output: tf.Tensor): tf.Tensor2D;
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
  const stages = network.layers.map(
    (layer, index): Stage => ({ layer, ...buildLayer(layer, index === 0, options) }),
  );
  // tf.layers builds the weights and checks the shapes; the loop in `forward` spares its bookkeeping.
  const model: Sequential = sequential({
    layers: stages.flatMap(({ operator, after }) => (after === undefined ? [operator] : [operator, after])),
  });
  const tensors = new Map(stages.flatMap(namedTensors));
  const trainable = stages.flatMap((stage) =>
    namedTensors(stage)
      .filter(([, variable]) => variable.trainable)
      .map(([name, variable]) => ({ name, variable, decay: decays(stage, variable) })),
  );
  const decoupled = stages.flatMap(({ layer, operator }) =>
    operator instanceof DecoupledConv2D ? [decoupledLayer(layer, operator)] : [],
  );

  return {
    predict: (x) => tf.tidy(() => forward(stages, x, false)),
    train: (x) => tf.tidy(() => forward(stages, x, true)),
    trainable,
    tensors,
    project(scale = 1) {
      tf.tidy(() => {
        for (const { kernel } of decoupled) {
          const unit = normalizeFilters(kernel as tf.Tensor as tf.Tensor4D, normEpsilon);
          kernel.assign(scale === 1 ? unit : tf.mul(unit, scale));
        }
      });
    },
    walk: (x, visit) => tf.tidy(() => forward(stages, x, false, visit)),
    runOn(layer, output) {
      const at = stages.findIndex((stage) => stage.layer.name === layer);
      const stage = stages[at];
      if (stage === undefined) throw new Error(`There is no layer ${layer}.`);
      return tf.tidy(() => forward(stages.slice(at + 1), afterOf(stage, output, false), false));
    },
    decoupled,
    parameterCount: trainable.reduce((count, { variable }) => count + variable.size, 0),
    dispose: () => {
      model.dispose();
    },
  };
}

function forward(stages: readonly Stage[], x: tf.Tensor, training: boolean, visit?: Visit): tf.Tensor2D {
  let current = x;
  for (const stage of stages) {
    const { layer, operator } = stage;
    const input = current;
    let projection: tf.Tensor | undefined;
    const onProjection = (tensor: tf.Tensor): void => {
      projection = tf.keep(tf.clone(tensor)); // past the operator's own tidy
    };
    const isTapped = visit !== undefined && operator instanceof DecoupledConv2D;
    const output = operator.call(input, isTapped ? { training, onProjection } : { training }) as tf.Tensor;
    current = afterOf(stage, output, training);
    const inside = { projection: projection ?? output, response: current };
    try {
      if (visit !== undefined) tf.tidy(() => visit(layer, input, output, inside));
    } finally {
      projection?.dispose();
    }
  }
  return current as tf.Tensor2D;
}

/** What follows the operator in its layer. */
function afterOf({ after }: Stage, output: tf.Tensor, training: boolean): tf.Tensor {
  return after === undefined ? output : (after.call(output, { training }) as tf.Tensor);
}

/** Weights by their names in a checkpoint: the layer's, then `batch_norm`'s. */
function namedTensors({ layer, operator, after }: Stage): [string, tf.Variable][] {
  const named = (prefix: string, part: LayerParts['operator'] | undefined): [string, tf.Variable][] =>
    (part?.weights ?? []).map((weight) => {
      const own = weight.originalName.split('/').at(-1) ?? weight.originalName;
      return [`${prefix}/${own}`, variableOf(weight)];
    });
  return [...named(layer.name, operator), ...named(`${layer.name}/batch_norm`, after)];
}

function decays({ operator, after }: Stage, variable: tf.Variable): boolean {
  const belongsTo = (part: LayerParts['operator'] | undefined): boolean =>
    part?.weights.some((weight) => variableOf(weight) === variable) ?? false;
  return (
    (belongsTo(operator) && !(operator instanceof DecoupledConv2D)) ||
    (belongsTo(after) && after instanceof DebiasedBatchNormalization)
  );
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
    radius: () =>
      perFilter(() => {
        const rho = operator.rho();
        return rho !== undefined && operator.isAdaptive ? tf.mul(rho, operator.meanPatchNorm) : rho;
      }),
    meanPatchNorm: () =>
      operator.isAdaptive ? (operator.meanPatchNorm.dataSync<'float32'>()[0] ?? Number.NaN) : Number.NaN,
    k: () => perFilter(() => operator.k()),
  };
}
