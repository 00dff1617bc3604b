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
  /** See {@link tunedFor}. */
  readonly adapter: string;
  /** Where choices are kept from one process to the next; left out: nowhere. */
  readonly file?: string;
  /** Whether variants are timed: a simulated GPU's times say nothing. */
  readonly measures: boolean;
  /** Is told what went wrong with the file, a line each. */
  readonly warn: (line: string) => void;
}

/** Tells the adapter, its driver and our kernels' sources from others, whose times mean nothing here. */
export function tunedFor(
  { vendor, architecture, device, description }: GPUAdapterInfo,
  dawnVersion: string,
): string {
  const kernels = `kernels ${process.env.DCNET_WGSL_VERSION}`;
  return [vendor, architecture, device, description, `Dawn ${dawnVersion}`, kernels].join(', ');
}

/** What a variant is chosen for. */
export interface TunedWork {
  /** The kernel and the shape without the batch. */
  readonly kernel: string;
  /** How much of it there is: its batch's patches. */
  readonly patches: number;
}

/** More powers of two than a GPU has room for patches. */
const mostPower = 40;

/**
 * Chooses a variant of a kernel for a shape: the fastest on this adapter, timed at its first use, and again where there
 * is more to do by a power of two. Less takes what was chosen for more: the last batch of an epoch compiles nothing.
 */
export class Tuner {
  readonly #chosen = new Map<string, string>();
  #isRead = false;
  #deadline = Number.POSITIVE_INFINITY;

  constructor(private readonly options: TunerOptions) {}

  /**
   * @param candidates the first is taken where nothing is measured
   * @param seconds runs a candidate and times it
   */
  choose<T>(
    { kernel, patches }: TunedWork,
    candidates: readonly [T, ...T[]],
    seconds: (candidate: T) => number,
  ): T {
    this.#read();
    const power = Math.round(Math.log2(Math.max(1, patches)));
    for (let more = power; more <= mostPower; more++) {
      const chosen = this.#chosen.get(keyOf(kernel, more));
      if (chosen === undefined) continue;
      const known = candidates.find((candidate) => JSON.stringify(candidate) === chosen);
      if (known !== undefined) return known;
    }
    if (performance.now() > this.#deadline) return candidates[0];
    const best = this.options.measures ? fastestOf(candidates, seconds) : candidates[0];
    const key = keyOf(kernel, power);
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

function keyOf(kernel: string, power: number): string {
  return `${kernel}, 2^${power} patches`;
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
