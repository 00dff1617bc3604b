import type { LayerComparison, WeightComparison } from '../../src/core/comparison/comparison.js';

/** What the layers can be sorted by. */
export const orders = [
  { value: 'movement', text: 'how much it moved' },
  { value: 'rotation', text: 'rotation' },
  { value: 'rescaling', text: 'rescaling' },
  { value: 'network', text: 'place in the network' },
] as const;
export type Order = (typeof orders)[number]['value'];

/** A layer of the list: one of A with its counterpart, or one that has none. */
export interface ListedLayer {
  readonly key: string;
  /** `conv2`, or `conv2 → middle` where the names differ. */
  readonly name: string;
  readonly layer: LayerComparison | undefined;
  /** Why there are no bars. */
  readonly reason: string | undefined;
}

/** The layers in an order; those without numbers come last. */
export function listLayers({ layers, onlyA, onlyB }: WeightComparison, order: Order): readonly ListedLayer[] {
  const size = (layer: LayerComparison): number => {
    switch (order) {
      case 'movement':
        return layer.movement ?? -1;
      case 'rotation':
        return layer.rotation?.median ?? -1;
      case 'rescaling':
        return layer.rescaling === undefined ? -1 : Math.abs(layer.rescaling.median);
      case 'network':
        return 0;
    }
  };
  const alone = (side: 'A' | 'B', names: readonly string[]): readonly ListedLayer[] =>
    names.map((name) => ({
      key: `${side}:${name}`,
      name,
      layer: undefined,
      reason: `only in ${side}: no counterpart`,
    }));
  return [
    ...[...layers]
      .sort((x, y) => size(y) - size(x))
      .map((layer) => ({
        key: layer.a,
        name: layer.a === layer.b ? layer.a : `${layer.a} → ${layer.b}`,
        layer,
        reason: layer.incomparable,
      })),
    ...alone('A', onlyA),
    ...alone('B', onlyB),
  ];
}
