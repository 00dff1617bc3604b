import { runtimeParagraph } from '../core/run/runtime.js';
import { endSignals } from '../engine/backend/crashMarks.js';
import { Engine, type EngineEvents } from '../engine/service.js';
import { startRuntime } from '../engine/startRuntime.js';
import type { Context } from '../protocol/channel.js';
import type { BackendChoice, Precision, WorkProgress } from '../protocol/engine.js';
import { interruptedExitCode, type Output } from './output.js';
import { createWorkLines } from './progress.js';

/** Options that every command with a network has. */
export interface EngineFlags {
  readonly backend: BackendChoice;
  readonly precision: Precision;
  readonly media: string;
  readonly workers?: number | undefined;
  /** False: a completed run is not inspected. */
  readonly inspection?: boolean;
}

/** What a command of this program is given in a process of its own, to compute as this one would. */
export function engineArguments({ backend, precision, media, workers }: EngineFlags): readonly string[] {
  return [
    ...['--backend', backend, '--precision', precision, '--media', media],
    ...(workers === undefined ? [] : ['--workers', String(workers)]),
  ];
}

/** The engine, in this process. */
export async function startEngine(
  { backend, precision, media, workers, inspection }: EngineFlags,
  output: Output,
  events: Partial<EngineEvents> = {},
): Promise<Engine> {
  return new Engine({
    runtime: await startRuntime(backend, precision, workers),
    mediaDirectory: media,
    inspectCompleted: inspection ?? true,
    events: {
      runChanged: () => {},
      runFinished: () => {},
      log: (level, message) => output.warn(`${level}: ${message}`),
      ...events,
    },
  });
}

/** As {@link startEngine}; people are told on stderr what computes, and why. */
export async function startTold(flags: EngineFlags, output: Output): Promise<Engine> {
  const engine = await startEngine(flags, output);
  output.warn(`On ${runtimeParagraph(engine.runtime)}`);
  return engine;
}

/**
 * Have work stop in good order by Ctrl-C, a closed terminal, a reader that leaves its pipe, or who else ends this process. A
 * second Ctrl-C ends at once; a terminal that closes may tell it more than once, and nobody waits there.
 * @returns what stops listening
 */
export function onInterrupt(stop: () => void): () => void {
  let interrupts = 0;
  const interrupt = (): void => void (interrupts++ === 0 && stop());
  const signalled = (signal: NodeJS.Signals): void => {
    if (signal === 'SIGINT' && interrupts > 0) process.exit(interruptedExitCode);
    interrupt();
  };
  const streams = [process.stdout, process.stderr];
  for (const signal of endSignals) process.on(signal, signalled);
  // What is written to a terminal that is gone fails before its signal is told.
  for (const stream of streams) stream.on('error', interrupt);
  return () => {
    for (const signal of endSignals) process.off(signal, signalled);
    for (const stream of streams) stream.off('error', interrupt);
  };
}

/**
 * Long work: on a terminal a line that says how far it is, elsewhere a line at every tenth on stderr. Ctrl-C, a closed terminal or who else ends this process gives
 * it up, so that it takes away what it has begun. A second Ctrl-C ends at once.
 */
export async function withProgress<T>(
  output: Output,
  work: (context: Context<WorkProgress>) => Promise<T>,
): Promise<T> {
  const { stream } = output;
  const abort = new AbortController();
  const stopListening = onInterrupt(() => abort.abort());
  const clear = (): void => void (stream.isTTY && stream.write('\r\x1b[K'));
  const show = ({ activity, done, total }: WorkProgress): void => {
    clear();
    stream.write(`${activity} ${Math.floor((100 * done) / total)} %`);
  };
  try {
    return await work({ signal: abort.signal, report: stream.isTTY ? show : createWorkLines(output) });
  } finally {
    stopListening();
    clear();
  }
}
