import type { Operator } from '../operator/operator.js';
import type { Config } from './schema.js';

/** [height, width, channels] of one image or feature map; [features] after flattening. */
export type Shape = readonly [height: number, width: number, channels: number] | readonly [features: number];

interface NetworkLayerBase {
  /** Unique name: the config's, or type and number (`conv1`). */
  readonly name: string;
  /** Position in the config's `layers`. */
  readonly index: number;
  readonly inputShape: Shape;
  readonly outputShape: Shape;
}

/** A layer with every parameter known and shapes that fit. */
export type NetworkLayer = NetworkLayerBase &
  (
    | {
        readonly type: 'conv';
        readonly filters: number;
        readonly kernel: number;
        readonly stride: number;
        readonly padding: 'same' | 'valid';
        /** `undefined`: the plain inner product. */
        readonly operator: Operator | undefined;
        readonly batchNorm: boolean;
        readonly activation: 'relu' | 'none';
      }
    | {
        readonly type: 'max-pool' | 'average-pool';
        readonly size: number;
        readonly stride: number;
        readonly padding: 'same' | 'valid';
      }
    | { readonly type: 'global-average-pool' }
    | { readonly type: 'flatten' }
    | {
        readonly type: 'dense';
        readonly units: number;
        readonly batchNorm: boolean;
        readonly activation: 'relu' | 'none';
      }
  );

export interface Network {
  readonly inputShape: readonly [height: number, width: number, channels: number];
  readonly classes: number;
  readonly layers: readonly NetworkLayer[];
}

/** A layer that cannot be what the config says, and why. */
export interface NetworkProblem {
  /** Path in the config: `['layers', 2, 'kernel']`. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/**
 * Expand a config to a network whose shapes fit, or say which layers cannot fit and why.
 * Without `input` (the data set's shape is not known yet) only what does not depend on it is checked and
 * `network` is undefined.
 */
export declare function resolveNetwork(
  config: Config,
  input?: { readonly shape: readonly [number, number, number]; readonly classes: number },
): { readonly network: Network | undefined; readonly problems: readonly NetworkProblem[] };
