import type { Exchange } from './exchange.js';

const arrived = 0;
const generation = 1;
const broken = 2;
const flags = 3;

/** Looks at the others so often before it sleeps: workers with equal shares are microseconds apart. */
const spins = 2_000;

/** What the workers of an exchange have in common. */
export interface RendezvousMemory {
  readonly flags: Int32Array;
  /** [2][workers][longest]: two sets in turn, so that nobody writes to what another still reads. */
  readonly slots: Float64Array;
  readonly workers: number;
}

/** @param longest the most values that are summed at once */
export function rendezvousMemory(workers: number, longest: number): RendezvousMemory {
  return {
    flags: new Int32Array(new SharedArrayBuffer(flags * Int32Array.BYTES_PER_ELEMENT)),
    slots: new Float64Array(new SharedArrayBuffer(2 * workers * longest * Float64Array.BYTES_PER_ELEMENT)),
    workers,
  };
}

/** Let all go that wait, now and later, each with an error. */
export function breakUp({ flags }: RendezvousMemory): void {
  Atomics.store(flags, broken, 1);
  Atomics.add(flags, generation, 1);
  Atomics.notify(flags, generation);
}

/** Threads that sum values of theirs, always in the same order: equal sums in all of them, to the last bit. */
export class Rendezvous implements Exchange {
  #turn = 0;

  /** @param worker this thread's number, from 0 */
  constructor(
    private readonly memory: RendezvousMemory,
    private readonly worker: number,
  ) {}

  /** @throws Error when the others cannot come any more */
  sum(values: readonly number[]): readonly number[] {
    const { slots, workers } = this.memory;
    const longest = slots.length / (2 * workers);
    const slot = (worker: number): number => (this.#turn * workers + worker) * longest;
    slots.set(values, slot(this.worker));
    this.#meet();
    const sums = values.map((_, i) => {
      let sum = 0;
      for (let worker = 0; worker < workers; worker++) sum += slots[slot(worker) + i]!;
      return sum;
    });
    this.#turn = 1 - this.#turn;
    return sums;
  }

  #meet(): void {
    const { flags, workers } = this.memory;
    const before = Atomics.load(flags, generation);
    if (Atomics.add(flags, arrived, 1) === workers - 1) {
      Atomics.store(flags, arrived, 0);
      Atomics.add(flags, generation, 1);
      Atomics.notify(flags, generation);
    }
    for (let i = 0; i < spins && Atomics.load(flags, generation) === before; i++);
    while (Atomics.load(flags, generation) === before) Atomics.wait(flags, generation, before);
    if (Atomics.load(flags, broken) !== 0) throw new Error('Another training worker failed.');
  }
}
