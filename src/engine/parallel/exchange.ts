import * as tf from '@tensorflow/tfjs-core';

/** Sums over the whole batch, where several workers have a share of it each. */
export interface Exchange {
  /** Each value's sum over the workers, in the workers' order; all must ask for the same sums in the same order. */
  sum(values: readonly number[]): readonly number[];
}

let exchange: Exchange | undefined;

/** From now on, batches in this thread are shares of one that the others of the exchange work on too. */
export function joinExchange(joined: Exchange): void {
  exchange = joined;
}

/** Whether this thread's batches are shares of one. */
export function isSharedBatch(): boolean {
  return exchange !== undefined;
}

/** Values summed over this share of the batch, as sums over the whole of it. */
export function sumOverBatch(values: readonly number[]): readonly number[] {
  return exchange === undefined ? values : exchange.sum(values);
}

/**
 * Mean of all values over the whole batch, a scalar; the gradient to each value is dy over their number, with dy summed
 * over the workers, since the mean enters what each of them computes.
 */
export function meanOverBatch(x: tf.Tensor): tf.Scalar {
  if (exchange === undefined) return tf.mean<tf.Scalar>(x);
  const operation = tf.customGrad((input) => {
    const [sum, count] = sumOverBatch([tf.sum(input as tf.Tensor).dataSync()[0]!, x.size]) as [
      number,
      number,
    ];
    return {
      value: tf.scalar(sum / count),
      gradFunc: (dy: tf.Tensor) => tf.fill(x.shape, sumOverBatch([dy.dataSync()[0]!])[0]! / count),
    };
  });
  return operation(x) as tf.Scalar;
}
