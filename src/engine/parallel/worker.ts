import { parentPort, workerData } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from '../backend/backend.js';
import { imageTensor, labelTensor } from '../data/images.js';
import { buildModel } from '../model/model.js';
import { pass } from '../training/step.js';
import { joinExchange } from './exchange.js';
import { breakUp, Rendezvous } from './rendezvous.js';
import { type Answer, gather, placesOf, type Share, type WorkerSetup } from './sharedStep.js';

/** A thread with a replica of the network: takes its share of each batch through it, forward and backward. */
async function main(): Promise<void> {
  const setup = workerData as WorkerSetup;
  const { network, seed, averageDecay, labelSmoothing, weights, results } = setup;
  const answer = (message: Answer): void => parentPort?.postMessage(message);
  await startBackend('wasm');
  joinExchange(new Rendezvous(setup.rendezvous, setup.worker));
  const model = buildModel(network, { seed, averageDecay });
  const places = placesOf(model);
  const [height, width, channels] = network.inputShape;
  const classes = network.layers.at(-1)!.outputShape.at(-1)!;

  const take = ({ images, labels, part }: Share): void => {
    for (const { variable, from, to } of places)
      tf.tidy(() => variable.assign(tf.tensor(weights.slice(from, to), variable.shape)));
    const indices = Uint32Array.from(labels, (_, i) => i);
    const x = imageTensor(images, [height, width, channels], indices);
    const answers = labelTensor(labels, indices);
    const { outcome, gradients } = pass(model, x, answers, classes, { labelSmoothing, weightDecay: 0 }, part);
    gather([outcome, ...gradients], results);
    tf.dispose([x, answers, outcome, ...gradients]);
    if (setup.worker !== 0) return;
    for (const { variable, from } of places)
      if (!variable.trainable) weights.set(variable.dataSync<'float32'>(), from);
  };

  parentPort?.on('message', (share: Share) => {
    try {
      take(share);
      answer({ type: 'done' });
    } catch (thrown) {
      breakUp(setup.rendezvous);
      answer({ type: 'failed', message: thrown instanceof Error ? thrown.message : String(thrown) });
    }
  });
  answer({ type: 'ready' });
}

void main();
