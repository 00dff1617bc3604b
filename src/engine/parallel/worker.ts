import { parentPort, workerData } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from '../backend/backend.js';
import { imageTensor, labelTensor } from '../data/images.js';
import { buildModel } from '../model/model.js';
import { adversarialBatch } from '../training/adversarialBatch.js';
import { pass as passOf } from '../training/step.js';
import { joinExchange } from './exchange.js';
import { breakUp, Rendezvous } from './rendezvous.js';
import {
  type Answer,
  addTo,
  gather,
  placesOf,
  type Share,
  type Task,
  type WorkerSetup,
} from './sharedStep.js';

/** One piece of a share. */
interface PieceTensors {
  /** [n, H, W, C], normalised. */
  readonly x: tf.Tensor4D;
  /** [n], int32. */
  readonly answers: tf.Tensor1D;
}

/** A thread with a replica of the network: takes its share of each batch through it. */
async function main(): Promise<void> {
  const setup = workerData as WorkerSetup;
  const { network, seed, averageDecay, adversarial, weights, results } = setup;
  const answer = (message: Answer): void => parentPort?.postMessage(message);
  await startBackend('wasm');
  joinExchange(new Rendezvous(setup.rendezvous, setup.worker));
  const model = buildModel(network, { seed, averageDecay });
  const places = placesOf(model);
  const [height, width, channels] = network.inputShape;
  const classes = network.layers.at(-1)!.outputShape.at(-1)!;

  const imagesOf = ({ images, labels }: Pick<Share, 'images' | 'labels'>): tf.Tensor4D =>
    imageTensor(
      images,
      [height, width, channels],
      Uint32Array.from(labels, (_, i) => i),
      model.normalization,
    );

  /** A share's pieces as tensors, attacked where the training is adversarial: all before the first changes the averages. */
  const piecesOf = async ({ images, labels, pieces, step }: Share): Promise<readonly PieceTensors[]> => {
    const size = height * width * channels;
    const made: PieceTensors[] = [];
    let at = 0;
    for (const { from, to } of pieces) {
      const end = at + to - from;
      const own = { images: images.subarray(at * size, end * size), labels: labels.subarray(at, end) };
      at = end;
      const x = imagesOf(own);
      const answers = labelTensor(
        own.labels,
        Uint32Array.from(own.labels, (_, i) => i),
      );
      if (adversarial === undefined) {
        made.push({ x, answers });
        continue;
      }
      const attacked = await adversarialBatch(
        model,
        x,
        answers,
        adversarial,
        { step, from, seed },
        own.labels.length,
      );
      x.dispose();
      made.push({ x: attacked, answers });
    }
    return made;
  };

  const pass = async (share: Share): Promise<void> => {
    for (const [piece, { x, answers }] of (await piecesOf(share)).entries()) {
      const { outcome, gradients } = passOf(model, x, answers, classes, setup.pass, x.shape[0] / share.batch);
      // Most shares have one piece, which needs no sum.
      if (piece === 0) gather([outcome, ...gradients], results);
      else addTo(results, [outcome, ...gradients]);
      tf.dispose([x, answers, outcome, ...gradients]);
    }
    if (setup.worker !== 0) return;
    for (const { variable, from } of places)
      if (!variable.trainable) weights.set(variable.dataSync<'float32'>(), from);
  };

  const predict = (share: Share): Float32Array<ArrayBuffer> => {
    const logits = tf.tidy(() => model.predict(imagesOf(share))); // [N, classes]
    const values = logits.dataSync<'float32'>();
    logits.dispose();
    return Float32Array.from(values);
  };

  parentPort?.on('message', async (task: Task) => {
    try {
      for (const { variable, from, to } of places)
        tf.tidy(() => variable.assign(tf.tensor(weights.subarray(from, to), variable.shape)));
      if (task.type === 'predict') {
        answer({ type: 'predicted', logits: predict(task) });
      } else {
        await pass(task);
        answer({ type: 'passed' });
      }
    } catch (thrown) {
      breakUp(setup.rendezvous);
      answer({ type: 'failed', message: thrown instanceof Error ? thrown.message : String(thrown) });
    }
  });
  answer({ type: 'ready' });
}

void main();
