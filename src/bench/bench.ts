import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../core/config/network.js';
import type { Config } from '../core/config/schema.js';
import { type Runtime, startBackend } from '../engine/backend/backend.js';
import type { DataSet } from '../engine/data/dataSet.js';
import { imageTensor, labelTensor } from '../engine/data/images.js';
import { batchFrom } from '../engine/data/split.js';
import { inspectModel } from '../engine/inspection/inspect.js';
import { buildModel, type DcnetModel } from '../engine/model/model.js';
import { TrainingWorkers } from '../engine/parallel/trainingWorkers.js';
import { evaluateSplit } from '../engine/training/evaluate.js';
import { createOptimizer, type TrainOptimizer } from '../engine/training/optimizer.js';
import { type PassResult, pass } from '../engine/training/step.js';
import { secondsOf } from './measure.js';
import { type NamedOperator, type NetworkPlan, resolve } from './networks.js';

/** A network on a runtime of this process, ready to be timed. */
export class Bench {
  readonly #config: Config;
  readonly #network: Network;
  readonly #model: DcnetModel;
  readonly #optimizer: TrainOptimizer;
  readonly #workers: TrainingWorkers | undefined;

  /**
   * @param backend that is started, and used at this moment
   * @param workers threads that share each batch; 1 is this one alone
   */
  constructor(
    private readonly backend: Runtime['name'],
    plan: NetworkPlan,
    operator: NamedOperator,
    private readonly data: DataSet,
    workers = 1,
  ) {
    const { config, network } = resolve(plan, operator);
    this.#config = config;
    this.#network = network;
    this.#model = buildModel(network, { seed: 1, averageDecay: config.averageDecay });
    this.#optimizer = createOptimizer(config.optimizer, this.#model.trainable);
    this.#workers = workers === 1 ? undefined : new TrainingWorkers(workers, this.#model, network, config);
  }

  get parameters(): number {
    return this.#model.parameterCount;
  }

  /** Training images a second over some steps, each as the trainer takes it: forward, backward, optimiser. */
  async train(steps: number): Promise<number> {
    await startBackend(this.backend);
    const { batch } = this.#config;
    const seconds = await secondsOf(async () => {
      for (let step = 0; step < steps; step++) {
        const indices = Uint32Array.from(
          { length: batch },
          (_, i) => (step * batch + i) % this.data.train.count,
        );
        const { outcome, gradients } = await this.#pass(indices);
        outcome.dataSync(); // as the trainer, which watches for divergence
        this.#optimizer.apply(gradients, 1e-3);
        tf.dispose([outcome, ...gradients]);
        await setImmediate(); // as the trainer: what Dawn has let go of is freed between turns of the event loop
      }
    });
    return (steps * batch) / seconds;
  }

  async #pass(indices: Uint32Array): Promise<PassResult> {
    const { train, info } = this.data;
    if (this.#workers !== undefined) return this.#workers.pass(await batchFrom(train, indices));
    const x = imageTensor(train.images, info.shape, indices, this.#model.normalization);
    const labels = labelTensor(train.labels, indices);
    try {
      return pass(this.#model, x, labels, info.classes, this.#config);
    } finally {
      tf.dispose([x, labels]);
    }
  }

  /** Images a second of an evaluation of the test split. */
  async infer(): Promise<number> {
    await startBackend(this.backend);
    const seconds = await secondsOf(() => evaluateSplit(this.#model, this.data, 'test'));
    return this.data.test.count / seconds;
  }

  /** Images a second of an inspection of every layer over the test split. */
  async inspect(): Promise<number> {
    await startBackend(this.backend);
    const seconds = await secondsOf(() => inspectModel(this.#model, this.#network, this.data, 'test'));
    return this.data.test.count / seconds;
  }

  async dispose(): Promise<void> {
    await this.#workers?.dispose();
    this.#model.dispose();
    this.#optimizer.dispose();
  }
}
