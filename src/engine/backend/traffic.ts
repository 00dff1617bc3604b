/** What was sent to the GPU. */
export interface TrafficCount {
  /** Kernels that were run. */
  readonly dispatches: number;
  /** Bytes of the tensors that kernels read; one that is read by two kernels counts twice. */
  readonly readBytes: number;
  /** Bytes of the tensors that kernels wrote. */
  readonly writtenBytes: number;
  /** Kernels that were compiled. */
  readonly pipelines: number;
}

/** Counts what a backend sends to its GPU: the least that its kernels move, as if each tensor were read once a kernel. */
export class Traffic {
  #dispatches = 0;
  #readBytes = 0;
  #writtenBytes = 0;
  #pipelines = 0;

  add(readBytes: number, writtenBytes: number): void {
    this.#dispatches++;
    this.#readBytes += readBytes;
    this.#writtenBytes += writtenBytes;
  }

  addPipeline(): void {
    this.#pipelines++;
  }

  /** What was counted since the last call. */
  take(): TrafficCount {
    const count = {
      dispatches: this.#dispatches,
      readBytes: this.#readBytes,
      writtenBytes: this.#writtenBytes,
      pipelines: this.#pipelines,
    };
    this.#dispatches = this.#readBytes = this.#writtenBytes = this.#pipelines = 0;
    return count;
  }
}
