/** Failures longer ago than this no longer count. */
const memoryMs = 5 * 60_000;
/** The wait after the first failure; it doubles with each one. */
const firstDelayMs = 500;
/** After so many failures in a row no further start is tried. */
export const giveUpAfter = 4;

/** Decides when an engine that failed may be started again. */
export class StartPolicy {
  #failures: number[] = [];

  failed(now: number): void {
    this.#failures = [...this.#recent(now), now];
  }

  forget(): void {
    this.#failures = [];
  }

  /** Milliseconds to wait before the next start; undefined: give up. */
  delay(now: number): number | undefined {
    const count = this.#recent(now).length;
    if (count >= giveUpAfter) return undefined;
    return count === 0 ? 0 : firstDelayMs * 2 ** (count - 1);
  }

  #recent(now: number): number[] {
    return this.#failures.filter((time) => now - time < memoryMs);
  }
}
