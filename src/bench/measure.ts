/** A figure over several rounds. */
export interface Spread {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  readonly rounds: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median =
    sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, lowest: sorted[0]!, highest: sorted.at(-1)!, rounds: values.length };
}

/**
 * Measure several things in turn, round after round, so that whatever else the machine does falls on all of them alike.
 * A first round, in which everything is warmed up, does not count.
 * @param tasks by name; each does its work once and gives its figure
 * @param leaveOut is given what a task throws: where it returns, the task is not measured any more
 * @returns the figures of each round, by name, in the rounds' order; none of what was left out
 */
export async function interleave<Name extends string>(
  tasks: Readonly<Record<Name, () => number | Promise<number>>>,
  rounds: number,
  leaveOut: (name: Name, thrown: unknown) => void = rethrow,
): Promise<Readonly<Partial<Record<Name, readonly number[]>>>> {
  const figures = new Map((Object.keys(tasks) as Name[]).map((name) => [name, [] as number[]]));
  for (let round = -1; round < rounds; round++)
    for (const [name, own] of [...figures]) {
      try {
        const figure = await tasks[name]();
        if (round >= 0) own.push(figure);
      } catch (thrown) {
        leaveOut(name, thrown);
        figures.delete(name);
      }
    }
  return Object.fromEntries(figures) as unknown as Partial<Record<Name, readonly number[]>>;
}

function rethrow(_: string, thrown: unknown): never {
  throw thrown;
}

/** The ratio of two figures, round by round. */
export function ratioOf(above: readonly number[], below: readonly number[]): Spread {
  return spreadOf(above.map((value, round) => value / below[round]!));
}

/** Seconds that work takes. */
export async function secondsOf(work: () => unknown): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}
