import * as tf from '@tensorflow/tfjs-core';
import type { OptimizerConfig } from '../../core/config/trainingSchema.js';
import type { Checkpoint, StoredTensor } from '../checkpoint/checkpoint.js';
import { optimizerPrefix, requireTensor, toTensor } from '../checkpoint/modelState.js';
import { hasFused } from '../operator/fusedKernels.js';
import { adamStep } from './adamStep.js';

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
  epsilon: number;
  readonly accBeta1: tf.Variable;
  readonly accBeta2: tf.Variable;
  accumulatedFirstMoment: Slot[];
  accumulatedSecondMoment: Slot[];
}
interface MomentumState {
  accumulations: Slot[];
}

export function createOptimizer(config: OptimizerConfig, weights: readonly TrainedWeight[]): TrainOptimizer {
  return config.type === 'adam' ? createAdam(config, weights) : createMomentum(config, weights);
}

function createAdam(
  config: Extract<OptimizerConfig, { type: 'adam' }>,
  weights: readonly TrainedWeight[],
): TrainOptimizer {
  const { beta1, beta2, epsilon, epsilonOn } = config;
  const optimizer = tf.train.adam(config.learningRate, beta1, beta2, epsilon);
  const state = optimizer as unknown as AdamState;
  const powers = { beta1Power: state.accBeta1, beta2Power: state.accBeta2 };
  /** β₂ᵗ of the step to come, rounded as on the device, which would have to be waited for. */
  let power2 = Math.fround(beta2);
  return {
    apply(gradients, learningRate) {
      const rawCorrection = epsilonOn === 'raw' ? Math.sqrt(1 - power2) : undefined;
      power2 = Math.fround(power2 * Math.fround(beta2));
      state.learningRate = learningRate;
      if (!hasFused('AdamStep')) {
        state.epsilon = epsilon / (rawCorrection ?? 1);
        return optimizer.applyGradients(named(weights, gradients));
      }
      if (state.accumulatedFirstMoment.length === 0) {
        state.accumulatedFirstMoment = emptySlots('m', weights);
        state.accumulatedSecondMoment = emptySlots('v', weights);
      }
      const variables = (slots: readonly Slot[]) => slots.map(({ variable }) => variable);
      adamStep(
        {
          ...{ power1: state.accBeta1, power2: state.accBeta2 },
          values: weights.map(({ variable }) => variable),
          firsts: variables(state.accumulatedFirstMoment),
          seconds: variables(state.accumulatedSecondMoment),
        },
        gradients,
        { beta1, beta2, epsilon, learningRate, rawCorrection },
      );
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
      power2 = storedPowers[1]![1].values[0]!;
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
  const { learningRate: initialRate, momentum, nesterov } = config;
  const optimizer = tf.train.momentum(initialRate, momentum, nesterov) as tf.MomentumOptimizer;
  const state = optimizer as unknown as MomentumState & { readonly c: tf.Tensor };
  let rate = initialRate;
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

function emptySlots(slot: string, weights: readonly TrainedWeight[]): Slot[] {
  return weights.map((weight) => ({
    originalName: slotName(slot, weight),
    variable: tf.tidy(() => tf.variable(tf.zerosLike(weight.variable), false)),
  }));
}

function makeSlots(slot: string, weights: readonly TrainedWeight[], stored: readonly StoredTensor[]): Slot[] {
  return stored.map((tensor, i) => ({
    originalName: slotName(slot, weights[i]!),
    variable: tf.tidy(() => tf.variable(toTensor(tensor), false)),
  }));
}
