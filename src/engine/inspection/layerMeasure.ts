import * as tf from '@tensorflow/tfjs-core';
import type { NetworkLayer } from '../../core/config/network.js';
import { DcnetError } from '../../core/errors.js';
import { usesRadius } from '../../core/operator/operator.js';
import { distribution, linearEdges } from '../../core/statistics/histogram.js';
import type { LayerInspection } from '../../core/statistics/inspection.js';
import type { DcnetModel } from '../model/model.js';
import { patchNorms } from '../operator/patchNorms.js';
import { degreeBin, degreesOf } from './angles.js';
import { Counts } from './counts.js';

const angleBins = 90;
const jointAngleBins = 60;
/** The floor as a share of the layer's mean patch norm. */
const floorShare = 1e-3;
/** The floor of a layer whose patches are all zero. */
const smallestFloor = 1e-12;

/** A layer that has filters, and so norms and angles. */
export type MeasuredLayer = Extract<NetworkLayer, { type: 'conv' | 'dense' }>;

/**
 * Gathers norms ‖x‖ and angles θ of one layer in two passes over the same images: the first finds the range of the
 * norms, the second counts. Its memory does not grow with the number of images.
 *
 * Everything is without ε: cos θ = conv(x, w/‖w‖) / ‖x‖. Patches whose norm is under the floor, a thousandth of the
 * layer's mean patch norm (zero patches included in the mean), have no direction worth the name: they are left out and
 * counted. A filter of zeros stands at 90° to everything.
 */
export class LayerMeasure {
  readonly layer: MeasuredLayer;
  readonly #filters: number;
  readonly #weightNorms: Float64Array;
  /** Unit filters: [K, K, Cin, F] or [features, units]. */
  readonly #unitKernel: tf.Tensor;
  /** Radii in use, increasing; empty where the operator has none. */
  readonly #radii: Float64Array;

  #patches = 0;
  #normSum = 0;
  #smallestPositive = Number.POSITIVE_INFINITY;
  #largest = 0;

  #counts: Counts | undefined;

  constructor(
    layer: MeasuredLayer,
    private readonly model: DcnetModel,
  ) {
    this.layer = layer;
    const kernel = model.tensors.get(`${layer.name}/kernel`);
    if (kernel === undefined) throw new Error(`${layer.name} has no kernel.`);
    this.#filters = kernel.shape.at(-1)!;
    const weights = kernel.dataSync();
    this.#weightNorms = columnNorms(weights, this.#filters);
    const unit = Float32Array.from(weights, (w, i) => {
      const norm = this.#weightNorms[i % this.#filters]!;
      return norm === 0 ? 0 : w / norm;
    });
    this.#unitKernel = tf.tensor(unit, kernel.shape);
    this.#radii = Float64Array.from(this.#decoupled?.radius() ?? []).sort();
  }

  get #decoupled() {
    return this.model.decoupled.find(({ layer }) => layer.name === this.layer.name);
  }

  /** (patch, filter) pairs of one image: what a batch's memory is made of. */
  get pairsAnImage(): number {
    return this.layer.outputShape.reduce((a: number, b: number) => a * b, 1);
  }

  /** First pass. @param input what the layer sees: [N, H, W, Cin] or [N, features] */
  addRange(input: tf.Tensor): void {
    const norms = valuesOf(() => this.#norms(input));
    for (const norm of norms) {
      this.#normSum += norm;
      if (norm > this.#largest) this.#largest = norm;
      if (norm > 0 && norm < this.#smallestPositive) this.#smallestPositive = norm;
    }
    this.#patches += norms.length;
    if (!Number.isFinite(this.#normSum))
      throw new DcnetError({
        code: 'checkpoint',
        message: `The input of ${this.layer.name} has values that are not finite.`,
        remedy: 'Inspect an earlier checkpoint, or train again with a lower learning rate.',
        field: this.layer.name,
      });
  }

  /** Second pass, over the same images. */
  addCounts(input: tf.Tensor): void {
    this.#counts ??= this.#newCounts();
    const counts = this.#counts;
    const filters = this.#filters;
    const norms = valuesOf(() => this.#norms(input));
    const dots = valuesOf(() => this.#dots(input));
    for (let p = 0; p < norms.length; p++) {
      const norm = norms[p]!;
      if (norm < counts.floor) {
        counts.weak++;
        continue;
      }
      counts.addNorm(norm);
      const row = counts.jointRow(norm);
      for (let f = 0; f < filters; f++) {
        const cosine = Math.max(-1, Math.min(1, dots[p * filters + f]! / norm));
        const degrees = degreesOf(cosine);
        counts.joint[row + degreeBin(cosine, degrees)]!++;
        counts.angleSum += degrees;
        counts.angleSquares += degrees * degrees;
        if (degrees < counts.smallestAngle) counts.smallestAngle = degrees;
        if (degrees > counts.largestAngle) counts.largestAngle = degrees;
      }
      if (this.#radii.length > 0) counts.beyond += countBelow(this.#radii, norm);
    }
  }

  result(): LayerInspection {
    const counts = this.#counts ?? this.#newCounts();
    const { layer } = this;
    const decoupled = this.#decoupled;
    const operator = layer.type === 'conv' ? layer.operator : undefined;
    const pairs = counts.strong * this.#filters;
    const hasRadius = operator !== undefined && usesRadius(operator.magnitude);
    return {
      name: layer.name,
      index: layer.index,
      type: layer.type,
      operator:
        operator === undefined
          ? 'inner-product'
          : {
              magnitude: operator.magnitude,
              angular: operator.angular,
              alpha: operator.alpha,
              beta: operator.beta,
              radius: operator.radius,
            },
      inputShape: [...layer.inputShape],
      outputShape: [...layer.outputShape],
      filters: this.#filters,
      patches: counts.strong,
      weakPatches: counts.weak,
      floor: counts.floor,
      norm: distribution(counts.normEdges, counts.norms, {
        count: counts.strong,
        sum: counts.normSum,
        sumOfSquares: counts.normSquares,
        minimum: counts.smallestNorm,
        maximum: this.#largest,
      }),
      angle: distribution(linearEdges(0, 180, angleBins), counts.angles(angleBins), {
        count: pairs,
        sum: counts.angleSum,
        sumOfSquares: counts.angleSquares,
        minimum: counts.smallestAngle,
        maximum: counts.largestAngle,
      }),
      joint: {
        normEdges: counts.jointNormEdges,
        angleEdges: linearEdges(0, 180, jointAngleBins),
        counts: counts.jointCounts(jointAngleBins),
      },
      weightNorms: [...this.#weightNorms],
      ...(hasRadius && decoupled !== undefined
        ? {
            rho: [...decoupled.rho()],
            radius: [...decoupled.radius()],
            regimes: [
              { name: 'below the radius', share: pairs === 0 ? 0 : 1 - counts.beyond / pairs },
              { name: 'beyond the radius', share: pairs === 0 ? 0 : counts.beyond / pairs },
            ],
            ...(operator.radius === 'adaptive' ? { meanPatchNorm: decoupled.meanPatchNorm() } : {}),
          }
        : {}),
      ...(operator?.angular === 'sigmoid' && decoupled !== undefined ? { k: [...decoupled.k()] } : {}),
    };
  }

  dispose(): void {
    this.#unitKernel.dispose();
  }

  #newCounts(): Counts {
    const mean = this.#patches === 0 ? 0 : this.#normSum / this.#patches;
    const floor = Math.max(floorShare * mean, smallestFloor);
    return new Counts(floor, Math.max(floor, this.#smallestPositive), this.#largest);
  }

  /** ‖x‖ of every patch: [N·H′·W′] in order. */
  #norms(input: tf.Tensor): tf.Tensor {
    const { layer } = this;
    return layer.type === 'conv'
      ? patchNorms(input as tf.Tensor4D, layer, 0)
      : tf.sqrt(tf.sum(tf.square(input), 1));
  }

  /** ⟨x, ŵ⟩ of every patch and filter: [N·H′·W′, F] in order. */
  #dots(input: tf.Tensor): tf.Tensor {
    const { layer } = this;
    return layer.type === 'conv'
      ? tf.conv2d(input as tf.Tensor4D, this.#unitKernel as tf.Tensor4D, layer.stride, layer.padding)
      : tf.matMul(input as tf.Tensor2D, this.#unitKernel as tf.Tensor2D);
  }
}

/** The values of a tensor. They do not leave through `tidy`, which would look for tensors in each of them. */
function valuesOf(compute: () => tf.Tensor): Float32Array {
  const tensor = tf.tidy(compute);
  const values = tensor.dataSync() as Float32Array;
  tensor.dispose();
  return values;
}

/** How many of the increasing values are less than `limit`. */
function countBelow(increasing: Float64Array, limit: number): number {
  let low = 0;
  let high = increasing.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (increasing[middle]! < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** ‖·‖ of each column of a row-major matrix. */
function columnNorms(values: ArrayLike<number>, columns: number): Float64Array {
  const squares = new Float64Array(columns);
  for (let i = 0; i < values.length; i++) squares[i % columns]! += values[i]! ** 2;
  return squares.map(Math.sqrt);
}
