import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../core/config/network.js';
import type { Config } from '../core/config/schema.js';
import { type Runtime, startBackend } from '../engine/backend/backend.js';
import type { DataSet } from '../engine/data/dataSet.js';
import { imageTensor, labelTensor } from '../engine/data/images.js';
import { inspectModel } from '../engine/inspection/inspect.js';
import { buildModel, type DcnetModel } from '../engine/model/model.js';
import { evaluateSplit } from '../engine/training/evaluate.js';
import { createOptimizer, type TrainOptimizer } from '../engine/training/optimizer.js';
import { type PassResult, pass } from '../engine/training/step.js';
import type { Precision } from '../protocol/engine.js';
import { secondsOf } from './measure.js';
import { type NamedOperator, type NetworkPlan, resolve } from './networks.js';

interface Made {
  readonly config: Config;
  readonly network: Network;
  readonly model: DcnetModel;
  readonly optimizer: TrainOptimizer;
}

/** A network on a runtime of this process, to be timed. It is built when it is first used: that may be too much, too. */
export class Bench {
  #made: Made | undefined;

  constructor(
    private readonly backend: Runtime['name'],
    private readonly plan: NetworkPlan,
    private readonly operator: NamedOperator,
    private readonly data: DataSet,
    private readonly options: {
      /** Threads that compute on wasm; 1 where it is left out. */
      readonly threads?: number;
      readonly precision?: Precision;
    } = {},
  ) {}

  /** Training images a second over some steps, each as the trainer takes it: forward, backward, optimiser. */
  async train(steps: number): Promise<number> {
    const made = await this.#make();
    const { batch } = made.config;
    const seconds = await secondsOf(async () => {
      for (let step = 0; step < steps; step++) {
        const indices = Uint32Array.from(
          { length: batch },
          (_, i) => (step * batch + i) % this.data.train.count,
        );
        const { outcome, gradients } = this.#pass(made, indices);
        outcome.dataSync(); // as the trainer, which watches for divergence
        made.optimizer.apply(gradients, 1e-3);
        tf.dispose([outcome, ...gradients]);
        await setImmediate(); // as the trainer: what Dawn has let go of is freed between turns of the event loop
      }
    });
    return (steps * batch) / seconds;
  }

  #pass({ model, config }: Made, indices: Uint32Array): PassResult {
    const { train, info } = this.data;
    const x = imageTensor(train.images, info.shape, indices, model.normalization);
    const labels = labelTensor(train.labels, indices);
    try {
      return pass(model, x, labels, info.classes, config);
    } finally {
      tf.dispose([x, labels]);
    }
  }

  /** Images a second of an evaluation of the test split. */
  async infer(): Promise<number> {
    const { model } = await this.#make();
    const seconds = await secondsOf(() => evaluateSplit(model, this.data, 'test'));
    return this.data.test.count / seconds;
  }

  /** Images a second of an inspection of every layer over the test split. */
  async inspect(): Promise<number> {
    const { model, network } = await this.#make();
    const seconds = await secondsOf(() => inspectModel(model, network, this.data, 'test'));
    return this.data.test.count / seconds;
  }

  /** On the backend, which is in use from then on. */
  async #make(): Promise<Made> {
    const { threads = 1, precision } = this.options;
    await startBackend(this.backend, precision, threads);
    if (this.#made === undefined) {
      const { config, network } = resolve(this.plan, this.operator);
      const model = buildModel(network, { seed: 1, averageDecay: config.averageDecay });
      const optimizer = createOptimizer(config.optimizer, model.trainable);
      this.#made = { config, network, model, optimizer };
    }
    return this.#made;
  }

  async dispose(): Promise<void> {
    const { model, optimizer } = this.#made ?? {};
    this.#made = undefined;
    model?.dispose();
    optimizer?.dispose();
  }
}
