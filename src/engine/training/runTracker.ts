import type { DcnetError } from '../../core/errors.js';
import type { RunState } from '../../core/run/run.js';
import type { RunFolder } from './runFolder.js';

/** `state.json` is replaced this often at most, but at once when the status changes. */
const stateFileIntervalMs = 1_000;

/** The state of one run: in memory, told to whoever listens, and in the run's folder. */
export class RunTracker {
  #state: RunState;
  #writtenAt = 0;

  /** @param onChange gets each new snapshot */
  constructor(
    readonly folder: RunFolder,
    initial: Omit<RunState, 'updatedAt' | 'name'>,
    private readonly onChange: (state: RunState) => void,
  ) {
    this.#state = { ...initial, name: folder.name, updatedAt: new Date().toISOString() };
  }

  get state(): RunState {
    return this.#state;
  }

  /**
   * Change some fields (`undefined` takes one out) and tell.
   * @throws DcnetError `io`
   */
  async update(changes: Partial<RunState>): Promise<RunState> {
    const before = this.#state;
    this.#state = { ...before, ...changes, updatedAt: new Date().toISOString() };
    this.onChange(this.#state);
    const now = performance.now();
    if (this.#state.status !== before.status || now - this.#writtenAt >= stateFileIntervalMs)
      await this.write();
    return this.#state;
  }

  /** The process is about to end: leave word in the run's folder, without waiting for anything. */
  abandon(error: DcnetError): void {
    this.folder.writeStateNow({
      ...this.#state,
      status: 'failed',
      reading: undefined,
      pid: undefined,
      queuePosition: undefined,
      secondsLeft: undefined,
      error: error.details,
      updatedAt: new Date().toISOString(),
    });
  }

  async write(): Promise<void> {
    this.#writtenAt = performance.now();
    await this.folder.writeState(this.#state);
  }
}
