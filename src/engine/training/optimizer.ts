import * as tf from '@tensorflow/tfjs-core';
import type { OptimizerConfig } from '../../core/config/schema.js';
import type { Checkpoint, StoredTensor } from '../checkpoint/checkpoint.js';
import { optimizerPrefix, requireTensor, toTensor } from '../checkpoint/modelState.js';

/** A weight that is trained. */
export interface TrainedWeight {
  readonly name: string;
  readonly variable: tf.Variable;
}

/** tfjs's optimisers, with all that they remember in the open, so that a training goes on to the last bit. */
export interface TrainOptimizer {
  /** @param gradients one of each weight, in their order */
  apply(gradients: readonly tf.Tensor[], learningRate: number): void;
  /** What a checkpoint keeps, by name; empty before the first step. */
  state(): ReadonlyMap<string, tf.Tensor>;
  /** @throws DcnetError `checkpoint`, naming the tensor */
  restore(checkpoint: Checkpoint): void;
  dispose(): void;
}

/** What tfjs keeps of one weight. Private there: its own `getWeights` leaves out the powers of β, so that a restored
 * Adam would round differently from one that ran through. */
interface Slot {
  readonly originalName: string;
  readonly variable: tf.Variable;
}
interface AdamState {
  learningRate: number;
  readonly accBeta1: tf.Variable;
  readonly accBeta2: tf.Variable;
  accumulatedFirstMoment: Slot[];
  accumulatedSecondMoment: Slot[];
}
interface MomentumState {
  accumulations: Slot[];
}

const beta1 = 0.9;
const beta2 = 0.999;
const adamEpsilon = 1e-7;

export function createOptimizer(config: OptimizerConfig, weights: readonly TrainedWeight[]): TrainOptimizer {
  return config.type === 'adam' ? createAdam(config, weights) : createMomentum(config, weights);
}

function createAdam(
  config: Extract<OptimizerConfig, { type: 'adam' }>,
  weights: readonly TrainedWeight[],
): TrainOptimizer {
  const optimizer = tf.train.adam(config.learningRate, beta1, beta2, adamEpsilon);
  const state = optimizer as unknown as AdamState;
  const powers = { beta1Power: state.accBeta1, beta2Power: state.accBeta2 };
  return {
    apply(gradients, learningRate) {
      state.learningRate = learningRate;
      optimizer.applyGradients(named(weights, gradients));
    },
    state: () =>
      state.accumulatedFirstMoment.length === 0
        ? new Map()
        : new Map<string, tf.Tensor>([
            ...Object.entries(powers).map(([name, power]) => [optimizerPrefix + name, power] as const),
            ...slotTensors('m', weights, state.accumulatedFirstMoment),
            ...slotTensors('v', weights, state.accumulatedSecondMoment),
          ]),
    restore(checkpoint) {
      const first = requireSlots('m', weights, checkpoint);
      const second = requireSlots('v', weights, checkpoint);
      const storedPowers = Object.entries(powers).map(
        ([name, power]) => [power, requireTensor(checkpoint, optimizerPrefix + name, [], 'float32')] as const,
      );
      for (const [power, stored] of storedPowers) tf.tidy(() => power.assign(toTensor(stored)));
      state.accumulatedFirstMoment = makeSlots('m', weights, first);
      state.accumulatedSecondMoment = makeSlots('v', weights, second);
    },
    dispose: () => optimizer.dispose(),
  };
}

function createMomentum(
  config: Extract<OptimizerConfig, { type: 'sgd' }>,
  weights: readonly TrainedWeight[],
): TrainOptimizer {
  const optimizer = tf.train.momentum(config.learningRate, config.momentum) as tf.MomentumOptimizer;
  const state = optimizer as unknown as MomentumState & { readonly c: tf.Tensor };
  let rate = config.learningRate;
  return {
    apply(gradients, learningRate) {
      if (learningRate !== rate) optimizer.setLearningRate(learningRate);
      rate = learningRate;
      optimizer.applyGradients(named(weights, gradients));
    },
    state: () => new Map(slotTensors('momentum', weights, state.accumulations)),
    restore(checkpoint) {
      state.accumulations = makeSlots('momentum', weights, requireSlots('momentum', weights, checkpoint));
    },
    dispose() {
      optimizer.dispose();
      state.c.dispose(); // tfjs forgets the learning rate's tensor
    },
  };
}

function named(
  weights: readonly TrainedWeight[],
  gradients: readonly tf.Tensor[],
): { name: string; tensor: tf.Tensor }[] {
  return weights.map(({ variable }, i) => ({ name: variable.name, tensor: gradients[i]! }));
}

function slotName(slot: string, weight: TrainedWeight): string {
  return `${optimizerPrefix}${slot}/${weight.name}`;
}

function slotTensors(
  slot: string,
  weights: readonly TrainedWeight[],
  slots: readonly Slot[],
): (readonly [string, tf.Tensor])[] {
  return slots.map(({ variable }, i) => [slotName(slot, weights[i]!), variable] as const);
}

/** @throws DcnetError `checkpoint`; nothing is made before all of them are known to fit */
function requireSlots(
  slot: string,
  weights: readonly TrainedWeight[],
  checkpoint: Checkpoint,
): readonly StoredTensor[] {
  return weights.map((weight) =>
    requireTensor(checkpoint, slotName(slot, weight), weight.variable.shape, 'float32'),
  );
}

function makeSlots(slot: string, weights: readonly TrainedWeight[], stored: readonly StoredTensor[]): Slot[] {
  return stored.map((tensor, i) => ({
    originalName: slotName(slot, weights[i]!),
    variable: tf.tidy(() => tf.variable(toTensor(tensor), false)),
  }));
}
