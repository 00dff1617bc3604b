import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import type { Operator } from '../../../src/core/operator/operator.js';
import type { DecoupledConv2D } from '../../../src/engine/layers/decoupledConv2dLayer.js';
import { variableOf } from '../../../src/engine/layers/layerWeights.js';
import { decoupled, type Problem, patchNorms, type Windows } from '../operator/oracle.js';
import { expectClose, randomValues, tensorOf } from '../tensors.js';

/** What a layer's output depends on, by name: `x`, and its weights by their own names. */
type Inputs = Readonly<Record<string, Float64Array>>;

/** A decoupled layer, and the convolution that it is. */
export interface Layer {
  readonly layer: DecoupledConv2D;
  readonly operator: Operator;
  readonly windows: Windows;
}

interface Radii {
  /** ‖x‖ of each patch. */
  readonly norms: Float64Array;
  readonly rho: Float64Array;
  /** R: ρ, times the batch's mean patch norm where it is adaptive. */
  readonly radius: Float64Array;
}

function radiiOf({ operator, windows }: Layer, { x, rho_root }: Inputs): Radii {
  const norms = patchNorms(windows, x!);
  const mean = norms.reduce((a, b) => a + b, 0) / norms.length;
  const rho = rho_root?.map((root) => root * root + 1e-4) ?? Float64Array.of(1);
  return { norms, rho, radius: operator.radius === 'adaptive' ? rho.map((value) => value * mean) : rho };
}

/** The layer in training, in float64. */
function inTraining(tested: Layer, inputs: Inputs): Float64Array {
  const { x, kernel, k_root } = inputs;
  const k = k_root?.map((root) => Math.abs(root) + 0.05) ?? Float64Array.of(1);
  const problem: Problem = { ...tested.operator, ...tested.windows };
  return decoupled(problem, { x: x!, w: kernel!, k, ...radiiOf(tested, inputs) });
}

/** Gradient of Σ upstream·y to one of the inputs, by central differences. */
function slopes(tested: Layer, inputs: Inputs, upstream: Float64Array, to: string): Float64Array {
  const start = inputs[to]!;
  return start.map((value, i) => {
    const at = (moved: number): number =>
      inTraining(tested, { ...inputs, [to]: start.with(i, moved) }).reduce(
        (sum, y, n) => sum + y * upstream[n]!,
        0,
      );
    return (at(value + 1e-6) - at(value - 1e-6)) / 2e-6;
  });
}

/**
 * Give a layer weights that differ, and compare its output in training and the gradients to its input and to all that it
 * learns with float64's.
 * @param shape of its input
 */
export function checkAgainstFloat64(tested: Layer, shape: readonly number[]): void {
  const { layer } = tested;
  const inputs: Record<string, Float64Array> = { x: randomValues(1, tf.util.sizeFromShape([...shape])) };
  for (const [i, weight] of layer.weights.entries()) {
    const name = weight.originalName.split('/').at(-1)!;
    if (name.startsWith('mean')) continue;
    const variable = variableOf(weight);
    // Roots of radii among the patch norms.
    const root = name === 'rho_root' ? variable.dataSync()[0]! : 1;
    const [low, high] = { kernel: [-1, 1], rho_root: [0.93 * root, 1.03 * root] }[name] ?? [0.6, 1.2];
    inputs[name] = randomValues(10 + i, variable.size, low, high);
    variable.assign(tensorOf(inputs[name], variable.shape));
  }
  if (inputs.rho_root !== undefined) {
    const { norms, radius } = radiiOf(tested, inputs);
    expect(Math.max(...norms), 'the largest norm').toBeGreaterThan(Math.max(...radius));
    expect(Math.min(...norms), 'the least norm').toBeLessThan(Math.min(...radius));
  }
  tf.tidy(() => {
    const x = tf.variable(tensorOf(inputs.x!, shape));
    const call = (): tf.Tensor => layer.call(x, { training: true });
    const y = call();
    expectClose(y, inTraining(tested, inputs), 2e-5, 'y');
    const upstream = randomValues(2, y.size);
    const learned = layer.weights
      .filter(({ trainable }) => trainable)
      .map((weight) => [weight.originalName.split('/').at(-1)!, variableOf(weight)] as const);
    const all = [...learned, ['x', x] as const];
    const { grads } = tf.variableGrads(
      () => tf.sum<tf.Scalar>(tf.mul(call(), tensorOf(upstream, y.shape))),
      all.map(([, variable]) => variable),
    );
    for (const [name, variable] of all)
      expectClose(
        grads[variable.name]!,
        slopes(tested, inputs, upstream, name),
        1e-4,
        `gradient to ${name}`,
        0.1,
      );
    x.dispose();
  });
}
