import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import * as z from 'zod';
import { type RuntimeRecord, runtimeRecordSchema } from '../../core/run/runtime.js';
import { Owner } from '../lifecycle.js';

/** What the choice of a runtime follows. */
const settingNames = ['backend', 'precision', 'workers', 'tensorflowFolder', 'nodePath'] as const;

const knownRuntimeSchema = z.object({
  runtime: runtimeRecordSchema,
  /** Unix time, ms. */
  startedAt: z.number(),
  /** The values of `settingNames`, as one text. */
  settings: z.string(),
});
type KnownRuntime = z.infer<typeof knownRuntimeSchema>;

/** What would compute a training, as far as is known without starting an engine. */
export interface LastRuntime {
  readonly runtime: RuntimeRecord;
  /** When an engine last chose it. */
  readonly startedAt: Date;
  /** An engine that computes with it is there. */
  readonly isInUse: boolean;
}

/** Remembers, also for other windows, what the engine that was started last computes with. */
export class RuntimeMemory extends Owner {
  readonly #changed = this._register(new vscode.EventEmitter<void>());
  readonly onDidChange = this.#changed.event;
  readonly #connected = new Set<string>();
  #known: KnownRuntime | undefined;

  constructor(
    private readonly file: string,
    private readonly log: vscode.LogOutputChannel,
  ) {
    super();
    this._register(
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (settingNames.some((name) => event.affectsConfiguration(`dcnet.${name}`))) this.#changed.fire();
      }),
    );
    void this.#read();
  }

  /** `undefined` where no engine was ever started here, or none with these settings. */
  get last(): LastRuntime | undefined {
    if (this.#known === undefined) return undefined;
    const isInUse = this.#connected.size > 0;
    if (!isInUse && this.#known.settings !== currentSettings()) return undefined;
    return { runtime: this.#known.runtime, startedAt: new Date(this.#known.startedAt), isInUse };
  }

  /**
   * An engine told what it computes with.
   * @param isNew it was started now, with the settings as they are
   */
  connected(engine: string, runtime: RuntimeRecord, isNew: boolean): void {
    this.#connected.add(engine);
    this.#known = { runtime, startedAt: Date.now(), settings: isNew ? currentSettings() : '' };
    if (isNew)
      this.#write(this.#known).catch((thrown: unknown) =>
        this.log.warn(`What computes here could not be noted in ${this.file}: ${(thrown as Error).message}`),
      );
    this.#changed.fire();
  }

  gone(engine: string): void {
    this.#connected.delete(engine);
    if (!this.isDisposed) this.#changed.fire();
  }

  async #read(): Promise<void> {
    try {
      const known = knownRuntimeSchema.parse(JSON.parse(await readFile(this.file, 'utf8')));
      this.#known ??= known;
    } catch {
      return; // not there yet, or of another version: the next start of an engine tells
    }
    if (!this.isDisposed) this.#changed.fire();
  }

  async #write(known: KnownRuntime): Promise<void> {
    await mkdir(path.dirname(this.file), { recursive: true });
    await writeFile(this.file, JSON.stringify(known));
  }
}

function currentSettings(): string {
  const settings = vscode.workspace.getConfiguration('dcnet');
  return JSON.stringify(settingNames.map((name) => settings.get(name)));
}
