import type {
  BehaviourComparison,
  ComparedCheckpoint,
  FilterTable,
  LayerComparison,
  WeightComparison,
} from '../../src/core/comparison/comparison.js';
import { count, inColumn, percent, short } from '../shared/format.js';
import type { Cell, Column, DataTable } from '../shared/table.js';

const missing: Cell = { text: '–', value: undefined };

/** Below this a rescaling is rounding: projected filters keep their norms to float32's precision. */
const unchanged = 5e-4;

/** Signed, three digits: `+0.69`. */
export function signed(value: number): string {
  if (Math.abs(value) < unchanged) return '0.000';
  return value > 0 ? `+${short(value)}` : short(value);
}

const number = (value: number | null | undefined): Cell =>
  value === null || value === undefined ? missing : { text: inColumn(value), value };
const change = (value: number | null | undefined): Cell =>
  value === null || value === undefined
    ? missing
    : { text: Math.abs(value) < unchanged ? '0.000' : `${value > 0 ? '+' : ''}${inColumn(value)}`, value };
const degrees = (value: number | null | undefined): Cell =>
  value === null || value === undefined ? missing : { text: `${value.toFixed(value < 10 ? 2 : 1)}°`, value };

/** `fashion-001 / epoch-0003`. */
function checkpointLabel({ run, name }: ComparedCheckpoint): string {
  return run === undefined ? name : `${run} / ${name}`;
}

/** The header's trail. */
export function trail(
  { a, b }: WeightComparison,
  behaviour: BehaviourComparison | undefined,
): readonly string[] {
  return [
    `A ${checkpointLabel(a)}`,
    `B ${checkpointLabel(b)}`,
    ...(behaviour === undefined
      ? []
      : [
          `${behaviour.data} · ${behaviour.split} split · n = ${count(behaviour.sampleSize)} · ${behaviour.backend}`,
        ]),
  ];
}

/** Where a chart's numbers come from. */
export function sourceOf({ a, b }: WeightComparison, ...more: readonly string[]): string {
  return [`A ${checkpointLabel(a)}`, `B ${checkpointLabel(b)}`, ...more].join(' › ');
}

export function configTable({ config }: WeightComparison): DataTable {
  const value = (text: string | undefined): Cell => (text === undefined ? missing : { text, value: text });
  return {
    caption: `${config.length} ${config.length === 1 ? 'field differs' : 'fields differ'}, defaults filled in`,
    columns: [{ label: 'field' }, { label: 'A', words: true }, { label: 'B', words: true }],
    rows: config.map(({ field, a, b }) => [{ text: field, value: field }, value(a), value(b)]),
  };
}

/** A, B and the difference, with a word for its direction: never colour alone. */
export function metricsTable(
  { a, b }: WeightComparison,
  behaviour: BehaviourComparison | undefined,
): DataTable {
  const accuracy = behaviour
    ? [behaviour.a.accuracy, behaviour.b.accuracy]
    : [a.testAccuracy, b.testAccuracy];
  const loss = behaviour ? [behaviour.a.loss, behaviour.b.loss] : [a.testLoss, b.testLoss];
  const verdict = (difference: number, lowerIsBetter: boolean): string => {
    if (difference === 0) return '= same';
    return difference > 0 === lowerIsBetter ? '▼ worse' : '▲ better';
  };
  const points = (x: number | undefined, y: number | undefined): Cell => {
    if (x === undefined || y === undefined) return missing;
    const by = (y - x) * 100;
    return {
      text: `${by > 0 ? '+' : ''}${by.toFixed(1).replace('-', '−')} points ${verdict(by, false)}`,
      value: y - x,
    };
  };
  const share = (value: number | undefined): Cell =>
    value === undefined ? missing : { text: percent(value), value };
  const [lossA, lossB] = loss;
  const whole = (value: number): Cell => ({ text: count(value), value });
  const by = (x: number, y: number): Cell => ({
    text: `${y > x ? '+' : ''}${count(y - x).replace('-', '−')}`,
    value: y - x,
  });
  return {
    caption: behaviour
      ? `Both on the ${behaviour.split} split of ${behaviour.data}, n = ${count(behaviour.sampleSize)}`
      : 'As each training measured them on its own test split',
    columns: [{ label: '' }, { label: 'A' }, { label: 'B' }, { label: 'B − A' }],
    rows: [
      [
        { text: 'accuracy', value: 'accuracy' },
        share(accuracy[0]),
        share(accuracy[1]),
        points(accuracy[0], accuracy[1]),
      ],
      [
        { text: 'loss', value: 'loss' },
        number(lossA),
        number(lossB),
        lossA === undefined || lossB === undefined
          ? missing
          : { text: `${signed(lossB - lossA)} ${verdict(lossB - lossA, true)}`, value: lossB - lossA },
      ],
      [{ text: 'epoch', value: 'epoch' }, whole(a.epoch), whole(b.epoch), by(a.epoch, b.epoch)],
      [{ text: 'step', value: 'step' }, whole(a.step), whole(b.step), by(a.step, b.step)],
      [{ text: 'weights', value: 'weights' }, whole(a.weights), whole(b.weights), by(a.weights, b.weights)],
    ],
  };
}

/** One sentence on the flips, with what chance has to say. */
export function flipsSentence({ flips, sampleSize }: BehaviourComparison): string {
  const { fixed, broken, bothRight, bothWrongAlike, bothWrongDifferently, midP } = flips;
  if (fixed + broken + bothWrongDifferently === 0)
    return `Not one of ${count(sampleSize)} predictions changed.`;
  const chance = midP < 0.05 ? 'more than chance would do' : 'no more than chance would do';
  return [
    `${count(fixed)} fixed and ${count(broken)} broken: ${chance} (McNemar’s test, mid-p = ${midP < 0.0001 ? '<0.0001' : short(midP)}).`,
    `Both right ${count(bothRight)}, both wrong alike ${count(bothWrongAlike)}, both wrong with different labels ${count(bothWrongDifferently)}.`,
  ].join(' ');
}

/** One row a matched filter. */
export function filtersTable(layer: LayerComparison): DataTable {
  const filters = layer.filters;
  if (filters === undefined)
    return { caption: layer.incomparable ?? 'Nothing to compare', columns: [{ label: 'filter' }], rows: [] };
  const column = (
    label: string,
    hue: Column['hue'],
    values: readonly (number | null)[] | undefined,
    cell: (value: number | null | undefined) => Cell = number,
  ) => (values === undefined ? [] : [{ column: hue ? { label, hue } : { label }, values, cell }]);
  const parts = [
    ...column('Δ ln ‖w‖', 'norm', filters.rescaling, change),
    ...column('rotation', 'angle', filters.rotation, degrees),
    ...column('‖w‖ A', undefined, filters.normA),
    ...column('B', undefined, filters.normB),
    ...column('ρ A', 'norm', filters.rhoA),
    ...column('ρ B', 'norm', filters.rhoB),
    ...column('R A', 'norm', filters.radiusA),
    ...column('R B', 'norm', filters.radiusB),
    ...column('k A', 'angle', filters.kA),
    ...column('k B', 'angle', filters.kB),
  ];
  return {
    caption: filtersCaption(layer, filters),
    columns: [{ label: 'A' }, { label: 'B' }, ...parts.map(({ column: head }) => head)],
    rows: filters.from.map((from, i) => [
      { text: String(from), value: from },
      { text: from === filters.to[i] ? String(filters.to[i]) : `→ ${filters.to[i]}`, value: filters.to[i] },
      ...parts.map(({ values, cell }) => cell(values[i])),
    ]),
  };
}

/** Beyond this median angle the best matches are hardly better than chance. */
const strange = 60;

function filtersCaption(
  { reordered = 0, rotation }: LayerComparison,
  { from, onlyA, onlyB }: FilterTable,
): string {
  const some = (indices: readonly number[]): string =>
    indices.length > 8
      ? `${indices.slice(0, 8).join(', ')} and ${indices.length - 8} more`
      : indices.join(', ');
  return [
    `${count(from.length)} filters of A and the filter of B with the best cosine`,
    reordered > 0 ? `${count(reordered)} at another place` : 'none at another place',
    ...(rotation !== undefined && rotation.median > strange ? ['little in common'] : []),
    ...(onlyA.length > 0 ? [`no counterpart in B: ${some(onlyA)}`] : []),
    ...(onlyB.length > 0 ? [`no counterpart in A: ${some(onlyB)}`] : []),
  ].join(' · ');
}

/** What a layer's pictures show, in words. */
export function layerWords({ movement, rescaling, rotation, reordered = 0 }: LayerComparison): string {
  if (rescaling === undefined || rotation === undefined || movement === undefined) return '';
  const moved = `rotation ${short(rotation.median)}° at the median, rescaling ${signed(rescaling.median)}`;
  return `${moved}, moved by ${percent(movement)} of its length${reordered > 0 ? `, ${reordered} filters at another place` : ''}`;
}

/** The exact numbers of all layers. */
export function layersTable(layers: readonly LayerComparison[]): DataTable {
  return {
    caption: 'Over the matched filters of each layer; moved is ‖W_B − W_A‖ / ‖W_A‖',
    columns: [
      { label: 'layer' },
      { label: 'Δ ln ‖w‖ median', hue: 'norm' },
      { label: 'p05', hue: 'norm' },
      { label: 'p95', hue: 'norm' },
      { label: 'rotation median', hue: 'angle' },
      { label: 'p05', hue: 'angle' },
      { label: 'p95', hue: 'angle' },
      { label: 'moved' },
      { label: 'reordered' },
    ],
    rows: layers.map(({ a, b, rescaling, rotation, movement, reordered }) => [
      { text: a === b ? a : `${a} → ${b}`, value: a },
      change(rescaling?.median),
      change(rescaling?.p05),
      change(rescaling?.p95),
      degrees(rotation?.median),
      degrees(rotation?.p05),
      degrees(rotation?.p95),
      movement === undefined ? missing : { text: percent(movement), value: movement },
      reordered === undefined ? missing : { text: count(reordered), value: reordered },
    ]),
  };
}
