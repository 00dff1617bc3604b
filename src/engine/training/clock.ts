/** Adds up the seconds in which it runs. */
export class Stopwatch {
  #seconds: number;
  #startedAt: number | undefined;

  /** @param seconds what it starts from */
  constructor(seconds = 0) {
    this.#seconds = seconds;
  }

  get seconds(): number {
    if (this.#startedAt === undefined) return this.#seconds;
    return this.#seconds + (performance.now() - this.#startedAt) / 1000;
  }

  start(): void {
    this.#startedAt ??= performance.now();
  }

  stop(): void {
    this.#seconds = this.seconds;
    this.#startedAt = undefined;
  }
}
