import { open } from 'node:fs/promises';
import { parseMetrics } from '../../core/run/metrics.js';
import type { MetricsRecord } from '../../core/run/run.js';

const newline = 0x0a;

/** The records of one `metrics.jsonl`, read on from where the last reading ended. */
export class MetricsLog {
  #records: readonly MetricsRecord[] = [];
  #offset = 0;
  #reading: Promise<readonly MetricsRecord[]> | undefined;

  constructor(private readonly file: string) {}

  /** What the file holds now; equal calls at one time are one reading. A file that is not there yet is empty. */
  read(): Promise<readonly MetricsRecord[]> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<readonly MetricsRecord[]> {
    const handle = await open(this.file).catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code === 'ENOENT') return undefined;
      throw thrown;
    });
    if (handle === undefined) {
      this.#offset = 0;
      this.#records = [];
      return this.#records;
    }
    try {
      const { size } = await handle.stat();
      if (size < this.#offset) this.#offset = 0;
      if (size === this.#offset) return this.#records;
      const added = await readLines(handle, this.#offset, size);
      const { records } = parseMetrics(added.text);
      // A run that was resumed goes back over some of its steps: only the whole text tells which.
      const rewound =
        this.#offset > 0 && records.some((record) => record.type === 'event' && record.event === 'resumed');
      if (rewound) {
        const whole = await readLines(handle, 0, size);
        this.#records = parseMetrics(whole.text).records;
        this.#offset = whole.end;
      } else {
        this.#records = this.#offset === 0 ? records : [...this.#records, ...records];
        this.#offset = added.end;
      }
      return this.#records;
    } finally {
      await handle.close();
    }
  }
}

/** The whole lines between two offsets: a line that is still being written is left for the next time. */
async function readLines(
  handle: Awaited<ReturnType<typeof open>>,
  from: number,
  to: number,
): Promise<{ readonly text: string; readonly end: number }> {
  const buffer = Buffer.alloc(to - from);
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
  const end = buffer.subarray(0, bytesRead).lastIndexOf(newline) + 1;
  return { text: buffer.toString('utf8', 0, end), end: from + end };
}
