/** What a training is asked to do: go on, hold, or stop; it looks before each step. */
export class TrainingControl {
  #request: 'go' | 'hold' | 'stop' = 'go';
  #wake: (() => void) | undefined;
  readonly #stopping = new AbortController();

  /** What it is asked to do now. */
  asked(): 'go' | 'hold' | 'stop' {
    return this.#request;
  }

  /** Aborted by {@link stop}, for what comes before the first step. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  hold(): void {
    if (this.#request === 'go') this.#request = 'hold';
  }

  go(): void {
    if (this.#request === 'hold') this.#request = 'go';
    this.#wake?.();
  }

  /** For good: nothing takes it back. */
  stop(): void {
    this.#request = 'stop';
    this.#stopping.abort();
    this.#wake?.();
  }

  /** Resolves when a training that holds is to go on or to stop. */
  async released(): Promise<void> {
    while (this.#request === 'hold')
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    this.#wake = undefined;
  }
}
