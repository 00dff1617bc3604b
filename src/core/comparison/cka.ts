/**
 * The unbiased estimator of the Hilbert–Schmidt independence criterion, HSIC₁ (Song et al. 2012, eq. 5):
 * (tr(K̃L̃) + 1ᵀK̃1·1ᵀL̃1/((n−1)(n−2)) − 2/(n−2)·1ᵀK̃L̃1) / (n(n−3)), with the diagonals left out.
 * @param k @param l Gram matrices [n, n] of one batch of n ≥ 4 images, row-major
 */
export function unbiasedHsic(k: ArrayLike<number>, l: ArrayLike<number>, n: number): number {
  let trace = 0;
  let cross = 0;
  let [sumK, sumL] = [0, 0];
  for (let i = 0; i < n; i++) {
    let [rowK, rowL] = [0, 0];
    for (let j = 0; j < n; j++) {
      if (i === j) continue;
      const [x, y] = [k[i * n + j]!, l[i * n + j]!];
      trace += x * y;
      rowK += x;
      rowL += y;
    }
    cross += rowK * rowL;
    sumK += rowK;
    sumL += rowL;
  }
  return (trace + (sumK * sumL) / ((n - 1) * (n - 2)) - (2 / (n - 2)) * cross) / (n * (n - 3));
}

/**
 * Linear centred kernel alignment of every layer of A with every layer of B (Kornblith et al. 2019), from minibatches
 * (Nguyen et al. 2021): Σ HSIC₁(K, L) / √(Σ HSIC₁(K, K)·Σ HSIC₁(L, L)), summed over batches. The estimator is
 * unbiased, so neither the batches' size nor the layers' width raises it, and memory does not grow with the images.
 */
export class LinearCka {
  readonly #cross: Float64Array;
  readonly #own: readonly [Float64Array, Float64Array];
  #images = 0;

  constructor(
    private readonly layersA: number,
    private readonly layersB: number,
  ) {
    this.#cross = new Float64Array(layersA * layersB);
    this.#own = [new Float64Array(layersA), new Float64Array(layersB)];
  }

  get images(): number {
    return this.#images;
  }

  /** @param a @param b each layer's Gram matrix XXᵀ [n, n] of one batch of n images, row-major */
  add(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[], n: number): void {
    for (const [i, k] of a.entries()) {
      this.#own[0][i]! += unbiasedHsic(k, k, n);
      for (const [j, l] of b.entries()) this.#cross[i * this.layersB + j]! += unbiasedHsic(k, l, n);
    }
    for (const [j, l] of b.entries()) this.#own[1][j]! += unbiasedHsic(l, l, n);
    this.#images += n;
  }

  /** [layers of A][layers of B], 1 for the same up to rotation and scale; NaN for a layer that does not vary. */
  values(): number[][] {
    return Array.from({ length: this.layersA }, (_, i) =>
      Array.from({ length: this.layersB }, (_, j) => {
        const scale = this.#own[0][i]! * this.#own[1][j]!;
        return scale > 0 ? this.#cross[i * this.layersB + j]! / Math.sqrt(scale) : Number.NaN;
      }),
    );
  }
}
