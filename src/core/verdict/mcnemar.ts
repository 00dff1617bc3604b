/** McNemar's test on two classifiers that saw the same images. */
export interface McNemar {
  /** Images that only the second classifies rightly. */
  readonly fixed: number;
  /** Images that only the first classifies rightly. */
  readonly regressed: number;
  /** Two-sided exact p: 2·P(X ≤ min(fixed, regressed)), X ~ Binomial(fixed + regressed, ½), at most 1. */
  readonly exact: number;
  /** Two-sided mid-p: the exact p less P(X = min(fixed, regressed)); less conservative, and the one to report. */
  readonly midP: number;
}

/**
 * Whether two classifiers differ by more than chance, from the images on which exactly one of them is right (McNemar
 * 1947; mid-p as in Fagerland, Lydersen and Laake 2013). Without any such image both p are 1.
 */
export function mcnemar(fixed: number, regressed: number): McNemar {
  const discordant = fixed + regressed;
  const least = Math.min(fixed, regressed);
  let below = 0;
  // ln C(n, k) − n ln 2, built up term by term: stays finite where the binomial coefficient does not.
  let logTerm = -discordant * Math.LN2;
  for (let k = 0; k < least; k++) {
    below += Math.exp(logTerm);
    logTerm += Math.log(discordant - k) - Math.log(k + 1);
  }
  const at = Math.exp(logTerm);
  return {
    fixed,
    regressed,
    exact: Math.min(1, 2 * (below + at)),
    midP: Math.min(1, 2 * below + at),
  };
}
