import type { ConfigFix } from './fix.js';

/** Something in the config that cannot be (`error`) or probably is not what was meant (`warning`). */
export interface NetworkProblem {
  readonly severity: 'error' | 'warning';
  /** Path in the config: `['layers', 2, 'kernel']`. */
  readonly path: readonly (string | number)[];
  /** What does not fit, and why. */
  readonly message: string;
  /** What to do. */
  readonly remedy: string;
  /** What can be done by itself. */
  readonly fixes?: readonly ConfigFix[];
}
