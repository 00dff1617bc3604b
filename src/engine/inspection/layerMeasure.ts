import * as tf from '@tensorflow/tfjs-core';
import type { NetworkLayer } from '../../core/config/network.js';
import { squareExponent } from '../../core/config/operatorSchema.js';
import { DcnetError } from '../../core/errors.js';
import { usesRadius } from '../../core/operator/operator.js';
import { hypersphericalEnergy, nearestAngles } from '../../core/statistics/filterAngles.js';
import { distribution, linearEdges } from '../../core/statistics/histogram.js';
import type { LayerInspection } from '../../core/statistics/inspection.js';
import { angleMoments, type LayerGroups, regimesOf } from '../../core/statistics/splits.js';
import type { DcnetModel, Inside } from '../model/model.js';
import { normEpsilon, patchNorms } from '../operator/patchNorms.js';
import { Counts } from './counts.js';
import { cosinesBetween, filtersOf, type LayerFilters } from './filterGeometry.js';
import { countPairs, PairCounts } from './pairCounts.js';
import { Responses } from './responses.js';

/** The floor as a share of the layer's mean patch norm. */
const floorShare = 1e-3;
/** The floor of a layer whose patches are all zero. */
const smallestFloor = 1e-12;

/** A layer that has filters, and so norms and angles. */
export type MeasuredLayer = Extract<NetworkLayer, { type: 'conv' | 'dense' }>;

/**
 * cos θ = projection · factor / ‖x‖ of each filter: takes the ε out of ‖w‖ that the layer computes with (see
 * {@link Inside.projection}). A filter of zeros has 0, and so stands at 90° to everything.
 */
export function projectionFactors(layer: MeasuredLayer, { norms }: LayerFilters): Float32Array {
  const { operator } = layer;
  const alpha = operator?.magnitude === 'linear' && operator.angular === 'cosine' ? operator.alpha : 1;
  return Float32Array.from(norms, (norm) => {
    if (norm === 0) return 0;
    return operator === undefined ? 1 / norm : Math.sqrt(norm * norm + normEpsilon) / norm / alpha;
  });
}

/** ‖x‖ of every patch without ε: [N, H′, W′, 1] or [N]. @param input [N, H, W, Cin] or [N, features] */
export function inputNorms(layer: MeasuredLayer, input: tf.Tensor): tf.Tensor {
  return layer.type === 'conv'
    ? patchNorms(input as tf.Tensor4D, layer, 0)
    : tf.tidy(() => tf.sqrt(tf.sum(tf.square(input), 1)));
}

/** The number of finite values, and the range of those that reach the floor. */
interface NormRange {
  readonly sum: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Gathers norms ‖x‖, angles θ and responses of one layer in one pass, by group of images. Its memory does not grow with
 * their number.
 *
 * Everything is without ε. Patches whose norm is under the floor have no direction worth the name: they are left out
 * and counted. The floor is a thousandth of the mean patch norm of the first batch in which not every patch is zero,
 * zero patches included in the mean.
 */
export class LayerMeasure {
  readonly #filters: LayerFilters;
  readonly #factors: Float32Array;
  /** Radii in use, increasing; empty where the operator has none. */
  readonly #radii: Float32Array;
  readonly #counts: Counts;
  readonly #responses: Responses;
  /** Used again for each group of each batch: what is thrown away grows faster than it is collected. */
  readonly #batch: PairCounts;
  #floor: number | undefined;
  /** Of the batch under way, until {@link count}. */
  #seen: { readonly projection: tf.Tensor; readonly norms: tf.Tensor } | undefined;

  constructor(
    readonly layer: MeasuredLayer,
    private readonly model: DcnetModel,
    groups: number,
  ) {
    this.#filters = filtersOf(model, layer.name);
    this.#factors = projectionFactors(layer, this.#filters);
    this.#radii = Float32Array.from(this.#decoupled?.radius() ?? []).sort();
    this.#counts = new Counts(this.#filters.count, groups);
    this.#batch = new PairCounts(this.#filters.count);
    this.#responses = new Responses(this.#filters.count, layer.activation === 'relu');
  }

  get #decoupled() {
    return this.model.decoupled.find(({ layer }) => layer.name === this.layer.name);
  }

  /** (patch, filter) pairs of one image: what a batch's memory is made of. */
  get pairsAnImage(): number {
    return this.layer.outputShape.reduce((a: number, b: number) => a * b, 1);
  }

  /** Look at a batch on its way through the layer. @param input what the layer sees: [N, H, W, Cin] or [N, features] */
  see(input: tf.Tensor, { projection, response }: Inside): void {
    this.#responses.add(response);
    this.dispose();
    this.#seen = {
      projection: tf.keep(tf.clone(projection)),
      norms: tf.keep(inputNorms(this.layer, input)),
    };
  }

  /**
   * Count the batch that was seen.
   * @param groups images of the batch by their group
   * @throws DcnetError `checkpoint` where the input is not finite
   */
  count(groups: ReadonlyMap<number, readonly number[]>): void {
    if (this.#seen === undefined) throw new Error(`${this.layer.name} has seen nothing.`);
    const { projection, norms } = this.#seen;
    const values = norms.dataSync<'float32'>();
    const { sum } = rangeOf(values, 0);
    if (!Number.isFinite(sum)) throw this.#notFinite('input');
    if (this.#floor === undefined && sum > 0)
      this.#floor = Math.fround(Math.max((floorShare * sum) / values.length, smallestFloor));
    const floor = this.#floor ?? smallestFloor;
    const { low, high } = rangeOf(values, floor);
    this.#counts.fit(low, high);
    const counting = { floor, ...this.#counts.bins, factors: this.#factors, radii: this.#radii };
    for (const [group, images] of groups)
      this.#counts.add(countPairs(projection, norms, images, counting, this.#batch), group);
    this.dispose();
  }

  /** @throws DcnetError `checkpoint` where the angles are not finite, as with weights that are not */
  result(): { readonly layer: LayerInspection; readonly groups: LayerGroups } {
    const { layer } = this;
    const { sums, complements } = this.#counts;
    if (!Number.isFinite(sums.complementSum)) throw this.#notFinite('output');
    const fitted = this.#counts.fitted();
    const { operator } = layer;
    const filters = this.#filters.count;
    const cosines = cosinesBetween(this.#filters);
    return {
      groups: { name: layer.name, jointNormEdges: fitted.groupNormEdges, groups: fitted.groups },
      layer: {
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
                ...(operator.weighting === 'none' ? {} : { weighting: operator.weighting }),
                ...(operator.angular === 'square-cosine' && operator.exponent !== squareExponent
                  ? { exponent: operator.exponent }
                  : {}),
              },
        inputShape: [...layer.inputShape],
        outputShape: [...layer.outputShape],
        filters,
        patches: sums.strong,
        weakPatches: sums.weak,
        floor: this.#floor ?? smallestFloor,
        norm: distribution(fitted.normEdges, fitted.norms, {
          count: sums.strong,
          sum: sums.normSum,
          sumOfSquares: sums.normSquares,
          minimum: sums.leastNorm,
          maximum: sums.greatestNorm,
        }),
        angle: distribution(
          linearEdges(0, 180, fitted.angles.length),
          fitted.angles,
          angleMoments(sums, filters),
        ),
        joint: {
          normEdges: fitted.jointNormEdges,
          angleEdges: linearEdges(0, 180, fitted.joint.length / (fitted.jointNormEdges.length - 1)),
          counts: fitted.joint,
        },
        weightNorms: Array.from(this.#filters.norms, rounded),
        meanAngles: Array.from(complements, (sum) =>
          rounded(sums.strong === 0 ? 90 : 90 - sum / sums.strong),
        ),
        meanResponses: this.#responses.means().map(rounded),
        deadShares: this.#responses.silentShares().map(rounded),
        silent: this.#responses.silent ?? 0,
        nearestAngles: nearestAngles(cosines, filters).map(rounded),
        energy: hypersphericalEnergy(cosines, filters),
        ...this.#parameters(),
      },
    };
  }

  /** Forget what was seen of the batch under way. */
  dispose(): void {
    this.#seen?.projection.dispose();
    this.#seen?.norms.dispose();
    this.#seen = undefined;
  }

  #parameters(): Pick<LayerInspection, 'rho' | 'radius' | 'regimes' | 'meanPatchNorm' | 'k'> {
    const { operator } = this.layer;
    const decoupled = this.#decoupled;
    if (operator === undefined || decoupled === undefined) return {};
    const { beyond, strong } = this.#counts.sums;
    return {
      ...(usesRadius(operator.magnitude)
        ? {
            rho: Array.from(decoupled.rho(), rounded),
            radius: Array.from(decoupled.radius(), rounded),
            regimes: regimesOf(beyond, strong * this.#filters.count),
            ...(operator.radius === 'adaptive' ? { meanPatchNorm: decoupled.meanPatchNorm() } : {}),
          }
        : {}),
      ...(operator.angular === 'sigmoid' ? { k: Array.from(decoupled.k(), rounded) } : {}),
    };
  }

  #notFinite(part: 'input' | 'output'): DcnetError {
    return new DcnetError({
      code: 'checkpoint',
      message: `The ${part} of ${this.layer.name} has values that are not finite.`,
      remedy: 'Inspect an earlier checkpoint, or train again with a lower learning rate.',
      field: this.layer.name,
    });
  }
}

/** As many digits as float32 has: what is stored and sent for each filter stays short. */
function rounded(value: number): number {
  return Number(value.toPrecision(8));
}

function rangeOf(norms: Float32Array, floor: number): NormRange {
  let [sum, low, high] = [0, Number.POSITIVE_INFINITY, 0];
  for (const norm of norms) {
    sum += norm;
    if (norm < floor) continue;
    if (norm < low) low = norm;
    if (norm > high) high = norm;
  }
  return { sum, low, high };
}
