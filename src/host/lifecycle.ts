/** Something that holds on to a resource until it is told to let go. */
export interface Disposes {
  dispose(): unknown;
}

/** Owns what it creates: each thing is registered where it is made, and goes with its owner. */
export abstract class Owner implements Disposes {
  readonly #owned: Disposes[] = [];
  #disposed = false;

  protected _register<T extends Disposes>(owned: T): T {
    if (this.#disposed) owned.dispose();
    else this.#owned.push(owned);
    return owned;
  }

  protected get isDisposed(): boolean {
    return this.#disposed;
  }

  dispose(): void {
    this.#disposed = true;
    for (const owned of this.#owned.splice(0).reverse()) owned.dispose();
  }
}

/** Run `action` once calls have ceased for `delayMs`, or at the latest `delayMs` after the first when `throttle`. */
export class Debounce implements Disposes {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly delayMs: number,
    private readonly action: () => void,
    private readonly mode: 'debounce' | 'throttle' = 'debounce',
  ) {}

  schedule(): void {
    if (this.#timer !== undefined) {
      if (this.mode === 'throttle') return;
      clearTimeout(this.#timer);
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.action();
    }, this.delayMs);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
