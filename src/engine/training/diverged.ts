import type * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../../core/config/network.js';
import type { Config } from '../../core/config/schema.js';
import { DcnetError } from '../../core/errors.js';
import { isBounded } from '../../core/operator/operator.js';
import type { DcnetModel } from '../model/model.js';

/** A loss so many times that of guessing, ln(classes), will not come back. */
const hopelessLoss = 1_000;

/** Whether a training with this loss has left the road: NaN, infinite, or far beyond guessing. */
export function isDiverged(loss: number, classes: number): boolean {
  return !(loss <= hopelessLoss * Math.log(Math.max(2, classes)));
}

/**
 * What to tell of a training that diverged: the step, the first layer where a value is not finite, and what to try.
 * @param step number of the step that failed, from 1
 * @param x the images of that step
 */
export function divergedError(
  model: DcnetModel,
  network: Network,
  config: Config,
  step: number,
  loss: number,
  x: tf.Tensor4D,
): DcnetError {
  const found = firstNonFinite(model, network, x);
  const where =
    found === undefined
      ? `the loss is ${describe(loss)}, though every layer’s values are still finite.`
      : `${found} is the first place with values that are not finite (loss ${describe(loss)}).`;
  return new DcnetError({
    code: 'diverged',
    message: `Training diverged at step ${step}: ${where}`,
    remedy: advice(config, network),
  });
}

function describe(loss: number): string {
  return Number.isFinite(loss) ? loss.toPrecision(3) : String(loss);
}

/** `the weights of conv1 (conv1/kernel)` or `the output of conv1`. */
function firstNonFinite(model: DcnetModel, network: Network, x: tf.Tensor4D): string | undefined {
  const finite = (tensor: tf.Tensor): boolean => tensor.dataSync().every(Number.isFinite);
  const badWeight = (layer: string): string | undefined =>
    [...model.tensors].find(([name, variable]) => name.startsWith(`${layer}/`) && !finite(variable))?.[0];
  const badOutputs = new Set<string>();
  model
    .walk(x, (layer, _input, output) => {
      if (!finite(output)) badOutputs.add(layer.name);
    })
    .dispose();
  for (const { name } of network.layers) {
    const weight = badWeight(name);
    if (weight !== undefined) return `${name} (its tensor ${weight})`;
    if (badOutputs.has(name)) return `${name} (its output)`;
  }
  return undefined;
}

function advice(config: Config, network: Network): string {
  const rate = config.optimizer.learningRate;
  const tries = [`a lower learning rate (${rate} → ${Number((rate / 10).toPrecision(3))})`];
  const convs = network.layers.filter((layer) => layer.type === 'conv');
  if (convs.some(({ batchNorm }) => !batchNorm)) tries.push('"batchNorm": true in every conv layer');
  const risky = convs.some(
    ({ operator, batchNorm }) =>
      !batchNorm &&
      operator?.angular === 'square-cosine' &&
      (operator.magnitude === 'linear' || operator.magnitude === 'seg'),
  );
  if (risky) tries.push('"cosine" in place of "square-cosine", which does not converge here without it');
  if (convs.some(({ operator }) => operator !== undefined && !isBounded(operator.magnitude)))
    tries.push('a bounded operator such as tanh');
  if (config.schedule.type !== 'cosine') tries.push('a cosine schedule with warm-up');
  return `Try ${tries.join(', or ')}; then train again.`;
}
