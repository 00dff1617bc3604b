import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { sync as writeFileAtomic } from 'write-file-atomic';
import * as z from 'zod';

/** The fastest variant of each kernel and shape, by adapter. */
const tuningSchema = z.object({
  version: z.literal(1),
  adapters: z.record(z.string(), z.record(z.string(), z.string())),
});
type Tuning = z.infer<typeof tuningSchema>;

export interface TunerOptions {
  /** Tells the adapter and its driver from others, whose times mean nothing here. */
  readonly adapter: string;
  /** Where choices are kept from one process to the next; left out: nowhere. */
  readonly file?: string;
  /** Whether variants are timed: a simulated GPU's times say nothing. */
  readonly measures: boolean;
  /** Is told what went wrong with the file, a line each. */
  readonly warn: (line: string) => void;
}

/** Chooses a variant of a kernel for a shape: the fastest on this adapter, timed at its first use. */
export class Tuner {
  readonly #chosen = new Map<string, string>();
  #isRead = false;
  #deadline = Number.POSITIVE_INFINITY;

  constructor(private readonly options: TunerOptions) {}

  /**
   * @param key the kernel and the shape without the batch, which may be smaller next time
   * @param candidates the first is taken where nothing is measured
   * @param seconds runs a candidate and times it
   */
  choose<T>(key: string, candidates: readonly [T, ...T[]], seconds: (candidate: T) => number): T {
    this.#read();
    const known = candidates.find((candidate) => JSON.stringify(candidate) === this.#chosen.get(key));
    if (known !== undefined) return known;
    if (performance.now() > this.#deadline) return candidates[0];
    const best = this.options.measures ? fastestOf(candidates, seconds) : candidates[0];
    this.#chosen.set(key, JSON.stringify(best));
    if (this.options.measures) this.#write(key);
    return best;
  }

  /** After so many ms from now on nothing is timed: of what is not known by then the first is taken, and not remembered. */
  limit(ms: number): void {
    this.#deadline = performance.now() + ms;
  }

  #read(): void {
    if (this.#isRead) return;
    this.#isRead = true;
    if (!this.options.measures) return;
    for (const [key, variant] of Object.entries(this.#stored().adapters[this.options.adapter] ?? {}))
      this.#chosen.set(key, variant);
  }

  #stored(): Tuning {
    const none: Tuning = { version: 1, adapters: {} };
    const { file, warn } = this.options;
    if (file === undefined) return none;
    try {
      return tuningSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT')
        warn(`The tuned kernels in ${file} cannot be read and are timed anew.`);
      return none;
    }
  }

  /** Beside what other processes have written since. */
  #write(key: string): void {
    const { file, adapter, warn } = this.options;
    if (file === undefined) return;
    const { adapters } = this.#stored();
    const choices = { ...adapters[adapter], [key]: this.#chosen.get(key)! };
    const tuning: Tuning = { version: 1, adapters: { ...adapters, [adapter]: choices } };
    try {
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileAtomic(file, JSON.stringify(tuning, null, 1));
    } catch (thrown) {
      warn(
        `The tuned kernels cannot be kept in ${file} (${(thrown as Error).message}): the next start times them anew.`,
      );
    }
  }
}

function fastestOf<T>(candidates: readonly [T, ...T[]], seconds: (candidate: T) => number): T {
  let [best] = candidates;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const taken = seconds(candidate);
    if (taken < least) [best, least] = [candidate, taken];
  }
  return best;
}
