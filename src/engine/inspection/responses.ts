import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from '../operator/fusedKernels.js';

/** A response without ReLU counts as silent below this share of the layer's mean |response|. */
const silentShare = 1e-3;

/** @internal Attributes of the kernel. */
export interface SumResponsesAttributes {
  readonly silent: number;
  readonly into: ResponseSums;
}

/** Sums over patches, [F] each. */
export interface ResponseSums {
  readonly sums: Float64Array;
  readonly silentCounts: Float64Array;
}

/**
 * What the filters of one layer answer after normalisation and activation, over all patches, weak ones too. A response
 * is silent when it is 0 after a ReLU; without one, when its size is no more than a thousandth of the mean size in the
 * first batch.
 */
export class Responses {
  /** The largest silent |response|: 0 after a ReLU. */
  silent: number | undefined;
  #count = 0;
  readonly #into: ResponseSums;

  constructor(filters: number, hasRelu: boolean) {
    this.silent = hasRelu ? 0 : undefined;
    this.#into = { sums: new Float64Array(filters), silentCounts: new Float64Array(filters) };
  }

  /** @param response [N, H′, W′, F] or [N, F] */
  add(response: tf.Tensor): void {
    this.silent ??= silentShare * tf.tidy(() => tf.mean(tf.abs(response)).dataSync()[0]!);
    sumResponses(response, this.silent, this.#into);
    this.#count += response.size / response.shape.at(-1)!;
  }

  /** Mean response of each filter. */
  means(): number[] {
    return Array.from(this.#into.sums, (sum) => sum / Math.max(1, this.#count));
  }

  /** Share of silent responses of each filter. */
  silentShares(): number[] {
    return Array.from(this.#into.silentCounts, (count) => count / Math.max(1, this.#count));
  }
}

function sumResponses(response: tf.Tensor, silent: number, into: ResponseSums): void {
  if (hasFused('SumResponses')) {
    const attributes: SumResponsesAttributes = { silent, into };
    runFused('SumResponses', { response }, attributes);
    return;
  }
  const values = response.dataSync<'float32'>();
  const filters = into.sums.length;
  const limit = Math.fround(silent);
  for (let i = 0; i < values.length; i += filters)
    for (let f = 0; f < filters; f++) {
      const value = values[i + f]!;
      into.sums[f]! += value;
      if (Math.abs(value) <= limit) into.silentCounts[f]!++;
    }
}
