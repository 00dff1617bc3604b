import { closeSync, type FSWatcher, fstatSync, mkdirSync, openSync, readSync, watch } from 'node:fs';
import path from 'node:path';
import type { Disposes } from '../lifecycle.js';

/** At most this much of a burst is passed on. */
const longestReadBytes = 64 * 1024;

/**
 * Passes on the lines that an engine adds to its log file. A file and not a pipe: the engine outlives the window
 * that started it, and writing to a pipe nobody holds would end it.
 */
export class LogTail implements Disposes {
  readonly #descriptor: number;
  readonly #watcher: FSWatcher;
  #offset: number;
  #rest = '';

  constructor(
    file: string,
    private readonly onLine: (line: string) => void,
  ) {
    mkdirSync(path.dirname(file), { recursive: true });
    this.#descriptor = openSync(file, 'a+');
    this.#offset = fstatSync(this.#descriptor).size;
    this.#watcher = watch(file, () => this.read());
    this.#watcher.on('error', (error) =>
      this.onLine(`The engine's log can no longer be followed: ${error.message}`),
    );
  }

  /** Pass on what has been added since the last time. */
  read(): void {
    const { size } = fstatSync(this.#descriptor);
    if (size < this.#offset) this.#offset = 0; // emptied by a new engine
    const buffer = Buffer.alloc(Math.min(size - this.#offset, longestReadBytes));
    const from = size - buffer.length;
    const bytes = readSync(this.#descriptor, buffer, 0, buffer.length, from);
    this.#offset = from + bytes;
    const lines = (this.#rest + buffer.toString('utf8', 0, bytes)).split(/\r?\n/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') this.onLine(line);
  }

  dispose(): void {
    this.#watcher.close();
    closeSync(this.#descriptor);
  }
}
