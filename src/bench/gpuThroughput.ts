import { interleave, ratioOf, spreadOf } from './measure.js';
import type { NamedOperator, NetworkPlan } from './networks.js';
import type { BenchOptions, Contestant, Figure } from './parts.js';

/** Something that trains and infers a network of one operator. */
export type GpuContestant = Omit<Contestant, 'operator'>;

/**
 * Training and inference of a network with each operator by several contestants, interleaved: images a second, and the
 * first one's beside each other's.
 * @param contestantsOf those of an operator; the first is ours
 */
export async function* besideOurs(
  plan: NetworkPlan,
  contestantsOf: (operator: NamedOperator) => readonly GpuContestant[],
  { operators, rounds, onMissing }: Pick<BenchOptions, 'operators' | 'rounds' | 'onMissing'>,
): AsyncGenerator<Figure> {
  for (const operator of operators) {
    const contestants = contestantsOf(operator);
    const [ours] = contestants.map(({ on }) => on);
    try {
      for (const activity of ['training', 'inference'] as const) {
        const what = [activity, plan.name, operator.name];
        const speeds = await interleave<string>(
          Object.fromEntries(contestants.map((one) => [one.on, one[activity]])),
          rounds,
          (on, thrown) => onMissing([...what, on].join(' · '), thrown),
        );
        const own = speeds[ours!];
        for (const [on, values] of Object.entries(speeds)) {
          yield { what, on, value: spreadOf(values!), unit: 'images/s' };
          if (own !== undefined && on !== ours)
            yield {
              what: [...what, `ours beside ${on}`],
              on: ours!,
              value: ratioOf(own, values!),
              unit: '×',
            };
        }
      }
    } finally {
      for (const { dispose } of contestants) await dispose();
    }
  }
}

/**
 * Whether two names are of one kind of card; of several of a kind neither tells which it is.
 * @param dawn as the webgpu runtime tells its device: the name, with the driver behind it
 * @param cuda as PyTorch names its own
 */
export function isSameCard(dawn: string, cuda: string): boolean {
  const bare = (name: string): string =>
    name
      .toLowerCase()
      .replace(/\b(nvidia|amd|intel)\b/g, '')
      .trim();
  return `${bare(dawn)} (`.startsWith(`${bare(cuda)} (`);
}
