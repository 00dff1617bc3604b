import path from 'node:path';
import type { BehaviourComparison, WeightComparison } from '../core/comparison/comparison.js';
import { type EngineFlags, startTold, withProgress } from './engine.js';
import { type Output, percent, short, table } from './output.js';

/** What training changed between two checkpoints: config, filters, and what both do on the same images. */
export async function compare(
  a: string,
  b: string,
  { weightsOnly = false, ...flags }: EngineFlags & { readonly weightsOnly?: boolean },
  output: Output,
): Promise<void> {
  const engine = await startTold(flags, output);
  const files = { a: { file: path.resolve(a) }, b: { file: path.resolve(b) } };
  const weights = await withProgress(output, (context) => engine.compareWeights(files, context));
  const runnable = !weightsOnly && weights.noCommonData === undefined;
  const behaviour = runnable
    ? await withProgress(output, (context) => engine.compareBehaviour(files, context))
    : undefined;
  output.answer({ weights, behaviour });
  for (const { field, a: before, b: after } of weights.config)
    output.say(`config: ${field}: ${before ?? '–'} → ${after ?? '–'}`);
  if (weights.noCommonData !== undefined) output.say(weights.noCommonData);
  if (behaviour !== undefined) sayBehaviour(behaviour, output);
  const head = ['layer', 'Δ ln ‖w‖', 'rotation', 'moved', 'reordered', 'W₁ of ‖x‖', 'W₁ of θ', 'CKA'];
  output.say(table([head, ...layerRows(weights, behaviour)]));
  for (const [side, names] of [
    ['A', weights.onlyA],
    ['B', weights.onlyB],
  ] as const)
    if (names.length > 0) output.say(`only in ${side}: ${names.join(', ')}`);
}

function sayBehaviour(
  { data, split, sampleSize, a, b, flips, otherData }: BehaviourComparison,
  output: Output,
): void {
  const n = sampleSize.toLocaleString('en');
  output.say(
    `${data}, ${split}, n = ${n}: accuracy ${percent(a.accuracy)} → ${percent(b.accuracy)}, loss ${a.loss.toFixed(4)} → ${b.loss.toFixed(4)}`,
  );
  output.say(
    `${flips.fixed} fixed, ${flips.broken} broken (McNemar’s test, mid-p = ${short(flips.midP)}); both wrong: ${flips.bothWrongAlike} alike, ${flips.bothWrongDifferently} differently`,
  );
  if (otherData !== undefined) output.say(`B was trained on other data: ${otherData}`);
}

function layerRows(weights: WeightComparison, behaviour: BehaviourComparison | undefined): string[][] {
  return weights.layers.map((layer) => {
    const seen = behaviour?.layers.find(({ a }) => a === layer.a);
    const known = (value: number | null | undefined, write: (value: number) => string): string =>
      value === null || value === undefined ? '–' : write(value);
    return [
      layer.a === layer.b ? layer.a : `${layer.a} → ${layer.b}`,
      known(layer.rescaling?.median, short),
      known(layer.rotation?.median, (degrees) => `${degrees.toFixed(1)}°`),
      known(layer.movement, percent),
      known(layer.reordered, String),
      known(seen?.norm.distance, short),
      known(seen?.angle.distance, (degrees) => `${degrees.toFixed(2)}°`),
      known(seen?.cka, (cka) => cka.toFixed(3)),
    ];
  });
}
